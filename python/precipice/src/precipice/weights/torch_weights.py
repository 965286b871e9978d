# SPDX-License-Identifier: Apache-2.0
"""The weights of a run as a state_dict of PyTorch; torch is imported here alone, when it is asked for."""

import os
from dataclasses import dataclass
from typing import Any, Dict, Optional, Union

import numpy as np

from precipice.runs.run_files import ReportError
from precipice.weights.classes import target_of
from precipice.weights.weights import Weights, load_weights


@dataclass
class TorchModel:
    """`state_dict`: torch tensors, float32, by the names of the class. `class_name`, `config_class`: of the library nanogpt
    or transformers. `config`: keyword arguments of config_class. `attributes`: the run's own words, docs/EXPORT.md."""

    library: str
    class_name: str
    config_class: str
    config: Dict[str, Any]
    state_dict: Dict[str, Any]
    attributes: Dict[str, Any]

    def build(self, module: Any = None) -> Any:
        """A model of the class with these weights, in evaluation mode. `module`: where the class is; by default the installed
        transformers. nanoGPT is no package: import its model.py and give that."""
        if module is None:
            if self.library != "transformers":
                raise ReportError("nanoGPT's model.py is needed: build(model) behind `import model` in its folder")
            import transformers as module
        model = getattr(module, self.class_name)(getattr(module, self.config_class)(**self.config))
        missing, unexpected = model.load_state_dict(self.state_dict, strict=False)
        # Masks that some versions of the classes keep as buffers are no weights.
        missing = [name for name in missing if not name.endswith((".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq"))]
        if missing or unexpected:
            raise ReportError(f"{self.class_name} of this version keeps other weights: {(missing + unexpected)[0]}")
        return model.eval()


def to_torch(
    source: Union[str, "os.PathLike[str]", Weights], step: Optional[int] = None, library: str = ""
) -> TorchModel:
    """Of a run directory, of a file that `precipice export` wrote, or of what load_weights returned. `library`: whose class,
    nanogpt or transformers; by default nanogpt for a GPT and transformers for a Llama. Raises ReportError where torch is not
    installed, and ValueError naming what of the model no class of that library has."""
    try:
        import torch
    except ImportError as error:
        raise ReportError(f"torch cannot be imported here ({error}): pip install 'precipice[torch]'")
    weights = source if isinstance(source, Weights) else load_weights(source, step)
    target = target_of(weights, library)
    state = {name: torch.from_numpy(np.array(array)) for name, array in target.arrays.items()}
    return TorchModel(target.library, target.class_name, target.config_class, target.config, state, weights.attributes)
