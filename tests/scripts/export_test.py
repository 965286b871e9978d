# SPDX-License-Identifier: Apache-2.0
"""What leaves the program by export, read as docs/EXPORT.md shows it: the lines are taken from the document and run."""

import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import support
import h5py
import numpy as np

from precipice.program import PROGRAM

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs/EXPORT.md"
# The weights grow large enough that the approximate GELU, or another norm_eps or rope_theta, shows in the loss.
CONFIG = """
threads = 1
[model]
layers = 2
width = 32
heads = 2
context = 16
[data]
tokens = 20000
[train]
steps = 60
batch = 4
eval_every = 30
eval_batches = 3
[optimizer]
lr = 0.01
[init]
std = 0.2
[precision]
recipe = "fp32"
"""
MODELS = {
    "gpt": ["model.bias=true"],
    "llama": ["model.kind=llama", "model.heads=4", "model.kv_heads=2", "model.rope_theta=500"],
}


def lines_of(name: str) -> str:
    found = re.findall(rf"```python {name}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(found) == 1, f"{DOCUMENT}: {len(found)} blocks of {name}"
    return found[0]


def torch_python() -> str:
    """A Python that can import torch and h5py, or nothing."""
    for python in (os.environ.get("PRECIPICE_TORCH_PYTHON", ""), sys.executable):
        if python and subprocess.run([python, "-c", "import torch, h5py"], capture_output=True).returncode == 0:
            return python
    return ""


class Export(support.ProgramCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        (cls.folder / "run.toml").write_text(CONFIG)
        for kind, settings in MODELS.items():
            folder = cls.folder / kind
            folder.mkdir()
            cls.run_program("train", cls.folder / "run.toml", *settings, "--quiet", "--out", folder / "run")
            cls.run_program("export", folder / "run", "--out", folder / "weights.h5")
            cls.run_program("export", folder / "run", "--out", folder / "weights.safetensors")
            cls.run_program("batches", folder / "run/config.toml", "--validation", "--out", folder / "validation.h5")

    @classmethod
    def run_program(cls, *words: object) -> str:
        done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_safetensors_read_by_the_documents_lines_has_the_values_of_the_hdf5_file(self) -> None:
        for kind in MODELS:
            path = self.folder / kind / "weights.safetensors"
            read: dict = {}
            exec(lines_of("safetensors").replace("weights.safetensors", str(path)), read)
            with h5py.File(self.folder / kind / "weights.h5", "r") as file:
                self.assertEqual(sorted(read["w"]), sorted(file))
                for name, values in read["w"].items():
                    self.assertEqual(values.shape, file[name].shape)
                    self.assertEqual(values.tobytes(), file[name][()].astype("<f4").tobytes(), name)
                self.assertEqual(sorted(read["model"]), sorted(file.attrs))
                for name, text in read["model"].items():
                    stored = file.attrs[name]
                    self.assertEqual(type(stored)(text), stored, name)

    def test_safetensors_is_laid_out_as_the_format_says(self) -> None:
        data = (self.folder / "gpt/weights.safetensors").read_bytes()
        length = int.from_bytes(data[:8], "little")
        self.assertEqual(length % 8, 0)
        header = json.loads(data[8 : 8 + length])
        self.assertTrue(all(isinstance(text, str) for text in header.pop("__metadata__").values()))
        reached = 0
        for name, entry in header.items():
            self.assertEqual(sorted(entry), ["data_offsets", "dtype", "shape"])
            self.assertEqual((entry["dtype"], entry["data_offsets"][0]), ("F32", reached), name)
            reached = entry["data_offsets"][1]
            self.assertEqual(reached - entry["data_offsets"][0], 4 * int(np.prod(entry["shape"])))
        self.assertEqual(8 + length + reached, len(data))

    def test_attributes_say_what_a_loader_needs(self) -> None:
        with h5py.File(self.folder / "gpt/weights.h5", "r") as file:
            gpt = dict(file.attrs)
        with h5py.File(self.folder / "llama/weights.h5", "r") as file:
            llama = dict(file.attrs)
        document = DOCUMENT.read_text()
        for name in gpt:
            self.assertIn(f"`{name}`", document)
        sizes = {"layers": 2, "width": 32, "heads": 2, "kv_heads": 2, "head_size": 16, "hidden": 128, "context": 16}
        self.assertEqual({name: gpt[name] for name in sizes}, sizes)
        words = {"kind": "gpt", "positions": "learned", "norm": "layernorm", "activation": "gelu", "recipe": "fp32"}
        self.assertEqual({name: gpt[name] for name in words}, words)
        self.assertEqual((gpt["bias"], gpt["tied_head"], gpt["vocabulary"], gpt["step"]), (1, 1, 64, 60))
        words = {"kind": "llama", "positions": "rotary", "norm": "rmsnorm", "activation": "swiglu"}
        self.assertEqual({name: llama[name] for name in words}, words)
        self.assertEqual((llama["kv_heads"], llama["head_size"], llama["hidden"]), (2, 8, 96))
        self.assertEqual((llama["bias"], llama["tied_head"], llama["rope_theta"]), (0, 0, 500.0))

    def test_a_run_starts_from_a_safetensors_file_as_from_the_hdf5_file(self) -> None:
        losses = []
        for name in ("weights.h5", "weights.safetensors"):
            out = self.folder / ("from " + name)
            start = f"init.from={self.folder / 'gpt' / name}"
            settings = [*MODELS["gpt"], start, "train.steps=3"]
            self.run_program("train", self.folder / "run.toml", *settings, "--quiet", "--out", out)
            with h5py.File(out / "run.h5", "r") as file:
                losses.append(file["metrics/train_loss"][()].tobytes())
        self.assertEqual(losses[0], losses[1])

    def test_pytorch_gives_the_runs_validation_loss_by_the_documents_lines(self) -> None:
        python = torch_python()
        if not python:
            raise unittest.SkipTest("no Python here imports torch and h5py; PRECIPICE_TORCH_PYTHON can name one")
        for kind in MODELS:
            folder = self.folder / kind
            done = subprocess.run([python, "-c", lines_of(kind)], cwd=folder, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            with h5py.File(folder / "run/run.h5", "r") as file:
                self.assertAlmostEqual(float(done.stdout), float(file["eval/validation_loss"][-1]), delta=2e-6)


if __name__ == "__main__":
    unittest.main()
