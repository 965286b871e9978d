# SPDX-License-Identifier: Apache-2.0
"""A folder that Hugging Face's from_pretrained reads: config.json and model.safetensors, written without torch."""

import json
import os
from pathlib import Path
from typing import Optional, Union

import numpy as np

from precipice.runs.run_files import ReportError
from precipice.safe_files import Folder
from precipice.weights.classes import target_of
from precipice.weights.weights import Weights, load_weights


def save_pretrained(
    source: Union[str, "os.PathLike[str]", Weights], out: Union[str, "os.PathLike[str]"], step: Optional[int] = None
) -> Path:
    """AutoModelForCausalLM.from_pretrained(out) is then the run's model. The run's own attributes stand in config.json under
    `precipice`. Returns the folder. Raises ReportError without the library safetensors, ValueError naming what of the model no
    class of transformers has."""
    try:
        from safetensors.numpy import save
    except ImportError:
        raise ReportError("safetensors is not installed here: pip install 'precipice[torch]'")
    weights = source if isinstance(source, Weights) else load_weights(source, step)
    target = target_of(weights, "transformers")
    config = {
        "architectures": [target.class_name],
        "model_type": target.model_type,
        "torch_dtype": "float32",
        **target.config,
        "precipice": weights.attributes,
    }
    # A tied head is the embedding: Hugging Face's own files have it once.
    tied = bool(weights.attributes.get("tied_head"))
    arrays = {name: np.ascontiguousarray(a) for name, a in target.arrays.items() if not (tied and name == "lm_head.weight")}
    with Folder.make(Path(out)) as folder:
        folder.write("model.safetensors", save(arrays, metadata={"format": "pt"}))
        folder.write("config.json", json.dumps(config, indent=2) + "\n")
    return Path(out)
