# SPDX-License-Identifier: Apache-2.0
"""The weights of a run as numpy arrays, with what a loader needs to know about the model (docs/EXPORT.md)."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Union

import h5py
import numpy as np

from precipice.program import ask, path_argument
from precipice.runs.datasets import as_plain
from precipice.runs.run_files import ReportError
from precipice.safe_files import open_regular, regular

INTEGERS = ("layers", "width", "heads", "kv_heads", "head_size", "hidden", "vocabulary", "context", "bias", "tied_head", "step")
REALS = ("norm_eps", "softcap", "rope_theta")  # of the attributes, which are text in a safetensors file


@dataclass
class Weights:
    """`arrays`: float32, bit for bit those of the run, by the names of nanoGPT's (llama: Hugging Face's) state_dict; linears
    are (out, in), and a tied head stands under both names. `attributes`: those of docs/EXPORT.md."""

    arrays: Dict[str, np.ndarray]
    attributes: Dict[str, Any]

    @property
    def kind(self) -> str:
        """gpt or llama."""
        return str(self.attributes.get("kind", ""))


def load_weights(source: Union[str, "os.PathLike[str]"], step: Optional[int] = None) -> Weights:
    """Of a run directory, which the program exports (`step`: of a checkpoint, 0 the initial weights; by default the newest),
    or of a file that `precipice export` wrote, .h5 or .safetensors. Raises ProgramError where the program refuses, ReportError
    for a file of another kind."""
    path = Path(source)
    if path.is_dir():
        return exported(path, step)
    if step is not None:
        raise ReportError(f"{path} is a file of one step; `step` chooses among those of a run directory")
    return read_safetensors(path) if path.suffix == ".safetensors" else read_hdf5(path)


def exported(run: Path, step: Optional[int]) -> Weights:
    with tempfile.TemporaryDirectory(prefix="precipice-weights-") as folder:
        out = Path(folder) / "weights.h5"
        words = ["export", path_argument(run), "--out", out]
        ask(words if step is None else [*words, "--step", step])
        return read_hdf5(out)


def read_hdf5(path: Path) -> Weights:
    try:
        with h5py.File(regular(path), "r", locking=False) as file:
            arrays = {name: file[name][()] for name in file if isinstance(file[name], h5py.Dataset)}
            return checked(path, Weights(arrays, {name: as_plain(value) for name, value in file.attrs.items()}))
    except OSError as error:
        raise ReportError(f"{path}: {error}")


def read_safetensors(path: Path) -> Weights:
    """By the library safetensors: pip install 'precipice[torch]'."""
    import json

    from safetensors.numpy import load

    with open_regular(path) as file:
        content = file.read()
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        arrays = load(content)
    except Exception as error:  # what the library raises for a damaged file is its own class
        raise ReportError(f"{path}: no safetensors file: {error}")
    found: Dict[str, Any] = dict(header.get("__metadata__", {}))
    found.update({name: int(found[name]) for name in INTEGERS if name in found})
    found.update({name: float(found[name]) for name in REALS if name in found})
    return checked(path, Weights(arrays, found))


def checked(path: Path, weights: Weights) -> Weights:
    if weights.kind not in ("gpt", "llama") or not weights.arrays:
        raise ReportError(f"{path}: not a file of `precipice export`: its attribute kind is {weights.kind or 'missing'}")
    return weights
