# SPDX-License-Identifier: Apache-2.0
"""Weights for other people's classes compute what the run computed. Always: a GPT written down here in numpy and doubles has
the run's validation loss, and the arrays of each class are those weights where the class keeps them. Where a Python imports
torch and transformers (PRECIPICE_TORCH_PYTHON; scripts/try_package makes one): Hugging Face's own classes have it too."""

import importlib.util
import json
import math
import os
import subprocess
import sys
import unittest
import unittest.mock
from pathlib import Path

import h5py
import numpy as np
import support

import precipice
from precipice.program import TREE, ask
from precipice.weights.classes import target_of
from precipice.weights.weights import Weights

CONFIG = {
    "threads": 1,
    "model": {"layers": 2, "width": 32, "heads": 2, "context": 16},
    "data.tokens": 20000,
    "train": {"steps": 40, "batch": 4, "eval_every": 20, "eval_batches": 2},
    # Large enough that another GELU, epsilon or rope_theta shows in the loss.
    "optimizer.lr": 0.01,
    "init.std": 0.2,
    "precision.recipe": "fp32",
}
MODELS = {
    "gpt": {},
    "biases": {"model.bias": True},
    "llama": {"model.kind": "llama", "model.heads": 4, "model.kv_heads": 2, "model.rope_theta": 500},
    "qwen3": {"model.kind": "llama", "model.heads": 4, "model.kv_heads": 2, "model.qk_norm": "rmsnorm"},
}
# The run sums in fp32 in another order: 2e-6 nats is what docs/EXPORT.md's test allows, for the same reason.
TOLERANCE = 2e-6
BY_TRANSFORMERS = """
import sys, torch, h5py
sys.path.insert(0, {source!r})
import precipice
from torch.nn import functional as F
from transformers import AutoModelForCausalLM
folder = {folder!r}
model = precipice.to_torch(folder + "/weights.h5", library="transformers").build()
saved = AutoModelForCausalLM.from_pretrained(precipice.save_pretrained(folder + "/weights.h5", folder + "/hf")).eval()
with h5py.File(folder + "/validation.h5") as file, torch.no_grad():
    x, y = (torch.from_numpy(file[name][()]).long() for name in ("x", "y"))
    for each in (model, saved):
        loss = sum(F.cross_entropy(each(a).logits.flatten(0, 1), b.flatten()) for a, b in zip(x, y)) / len(x)
        print(loss.item())
"""


def torch_python() -> str:
    """A Python that can import torch and transformers, or nothing."""
    python = os.environ.get("PRECIPICE_TORCH_PYTHON", "")
    wanted = "import torch, transformers, safetensors, h5py, pandas, xarray"
    return python if python and subprocess.run([python, "-c", wanted], capture_output=True).returncode == 0 else ""


def gpt_logits(weights: Weights, tokens: np.ndarray) -> np.ndarray:
    """nanoGPT's forward in doubles: tokens (batch, positions) to logits (batch, positions, vocabulary)."""
    a, w = weights.attributes, {name: array.astype(np.float64) for name, array in weights.arrays.items()}

    def linear(x, name):
        return x @ w[name + ".weight"].T + w.get(name + ".bias", 0)

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + a["norm_eps"])
        return scaled * w[name + ".weight"] + w.get(name + ".bias", 0)

    gelu = np.vectorize(lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))))
    mask = np.triu(np.full((tokens.shape[1],) * 2, -np.inf), 1)
    x = w["transformer.wte.weight"][tokens] + w["transformer.wpe.weight"][: tokens.shape[1]]
    for layer in range(a["layers"]):
        h = f"transformer.h.{layer}."
        parts = np.split(linear(norm(x, h + "ln_1"), h + "attn.c_attn"), 3, -1)
        q, k, v = (part.reshape(*part.shape[:2], a["heads"], -1).swapaxes(1, 2) for part in parts)
        scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]) + mask
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True)) @ v
        x = x + linear(mixed.swapaxes(1, 2).reshape(x.shape), h + "attn.c_proj")
        x = x + linear(gelu(linear(norm(x, h + "ln_2"), h + "mlp.c_fc")), h + "mlp.c_proj")
    return linear(norm(x, "transformer.ln_f"), "lm_head")


class OfRuns(support.ProgramCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        for name, settings in MODELS.items():
            run = cls.folder / name / "run"
            precipice.run(CONFIG, settings, out=run, show=False)
            ask(["export", run, "--out", cls.folder / name / "weights.h5"])
            ask(["batches", run / "config.toml", "--validation", "--out", cls.folder / name / "validation.h5"])

    def last_loss(self, name: str) -> float:
        with h5py.File(self.folder / name / "run/run.h5") as file:
            return float(file["eval/validation_loss"][-1])

    def test_a_gpt_in_doubles_has_the_runs_validation_loss(self) -> None:
        for name in ("gpt", "biases"):
            weights = precipice.load_weights(self.folder / name / "run")
            losses = []
            with h5py.File(self.folder / name / "validation.h5") as file:
                for x, y in zip(file["x"][()], file["y"][()]):
                    z = gpt_logits(weights, x)
                    top = z.max(-1)
                    spread = top + np.log(np.exp(z - top[..., None]).sum(-1))
                    losses.append((spread - np.take_along_axis(z, y[..., None].astype(int), -1)[..., 0]).mean())
            self.assertAlmostEqual(float(np.mean(losses)), self.last_loss(name), delta=TOLERANCE)

    def test_a_checkpoint_is_chosen_by_its_step(self) -> None:
        run = self.folder / "gpt/run"
        newest, first = precipice.load_weights(run), precipice.load_weights(run, step=0)
        self.assertEqual((newest.attributes["step"], first.attributes["step"]), (40, 0))
        self.assertFalse(np.array_equal(newest.arrays["lm_head.weight"], first.arrays["lm_head.weight"]))
        with self.assertRaisesRegex(precipice.ProgramError, "41"):
            precipice.load_weights(run, step=41)
        with self.assertRaisesRegex(precipice.ReportError, "is a file of one step"):
            precipice.load_weights(self.folder / "gpt/weights.h5", step=0)

    @unittest.skipUnless(importlib.util.find_spec("safetensors"), "skipped: safetensors is not installed: scripts/setup --tests")
    def test_a_pretrained_folder_and_a_safetensors_file_have_the_runs_bits(self) -> None:
        from safetensors.numpy import load_file

        for name in MODELS:
            weights = precipice.load_weights(self.folder / name / "weights.h5")
            ask(["export", self.folder / name / "run", "--out", self.folder / name / "weights.safetensors", "--force"])
            other = precipice.load_weights(self.folder / name / "weights.safetensors")
            self.assertEqual(other.attributes, weights.attributes)
            self.assertEqual({k: v.tobytes() for k, v in other.arrays.items()},
                             {k: v.tobytes() for k, v in weights.arrays.items()})
            folder = precipice.save_pretrained(weights, self.folder / name / "pretrained")
            saved = load_file(folder / "model.safetensors")
            for key, array in saved.items():
                original = weights.arrays.get(key, np.zeros_like(array))  # biases that the class has and the run has not
                self.assertIn(array.tobytes(), (original.tobytes(), original.T.tobytes()), key)
            config = json.loads((folder / "config.json").read_text())
            self.assertEqual(config["precipice"]["run"], weights.attributes["run"])
            self.assertEqual(config["model_type"], {"llama": "llama", "qwen3": "qwen3"}.get(name, "gpt2"))

    def test_hugging_faces_classes_have_the_runs_validation_loss(self) -> None:
        python = torch_python()
        if not python:
            raise unittest.SkipTest("no Python here imports torch and transformers; scripts/try_package --torch makes one")
        for name in MODELS:
            code = BY_TRANSFORMERS.format(source=str(TREE / "python/precipice/src"), folder=str(self.folder / name))
            done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            built, saved = map(float, done.stdout.split())
            self.assertAlmostEqual(built, self.last_loss(name), delta=TOLERANCE, msg=name)
            self.assertEqual(built, saved)


class OfClasses(unittest.TestCase):
    GPT = {"kind": "gpt", "layers": 1, "width": 4, "heads": 2, "kv_heads": 2, "head_size": 2, "hidden": 16, "vocabulary": 5,
           "context": 3, "positions": "learned", "norm": "layernorm", "norm_eps": 1e-5, "qk_norm": "none",
           "activation": "gelu", "bias": 0, "tied_head": 1, "softcap": 0.0}

    def test_gpt2_has_nanogpts_linears_transposed_and_biases_of_zero(self) -> None:
        rng = np.random.default_rng(0)
        name = "transformer.h.0.mlp.c_fc.weight"
        arrays = {name: rng.normal(size=(16, 4)).astype("f4"), "transformer.ln_f.weight": np.ones(4, "f4"),
                  "lm_head.weight": np.ones((5, 4), "f4")}
        target = target_of(Weights(arrays, self.GPT), "transformers")
        np.testing.assert_array_equal(target.arrays[name], arrays[name].T)
        np.testing.assert_array_equal(target.arrays["transformer.h.0.mlp.c_fc.bias"], np.zeros(16))
        self.assertEqual(set(target.arrays), {*arrays, "transformer.h.0.mlp.c_fc.bias", "transformer.ln_f.bias"})

    def test_what_a_class_cannot_compute_is_named(self) -> None:
        for change, words in (({"softcap": 30.0}, "softcap is 30.0"), ({"qk_norm": "layernorm"}, "qk_norm is layernorm"),
                              ({"norm_placement": "post"}, "norm_placement is post"), ({"kv_heads": 1}, "kv_heads is 1"),
                              ({"tied_head": 0}, "tied_head is 0")):
            for library in ("nanogpt", "transformers"):
                with self.assertRaisesRegex(ValueError, words):
                    target_of(Weights({"x": np.ones(1)}, {**self.GPT, **change}), library)
        with self.assertRaisesRegex(ValueError, "nanoGPT's GPT cannot compute this model: norm_eps is 1e-06"):
            target_of(Weights({"x": np.ones(1)}, {**self.GPT, "norm_eps": 1e-6}))
        with self.assertRaisesRegex(ValueError, "nanogpt has no llama"):
            target_of(Weights({"x": np.ones(1)}, {**self.GPT, "kind": "llama"}), "nanogpt")

    def test_a_file_of_another_kind_is_refused(self) -> None:
        with self.assertRaisesRegex(precipice.ReportError, "weights_test.py"):
            precipice.load_weights(Path(__file__))

    def test_without_torch_the_message_says_what_to_install(self) -> None:
        with unittest.mock.patch.dict(sys.modules, {"torch": None}), self.assertRaisesRegex(
            precipice.ReportError, r"pip install 'precipice\[torch\]'"
        ):
            precipice.to_torch(Weights({"x": np.ones(1)}, self.GPT))


if __name__ == "__main__":
    unittest.main()
