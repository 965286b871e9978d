# SPDX-License-Identifier: Apache-2.0
"""One crafted run never costs the report of the others: it is named as unreadable, or what is odd in it is left out."""

import tempfile
import unittest
import warnings
from pathlib import Path
from unittest import mock

import fake_sweep
import h5py
import numpy as np
import support  # noqa: F401  makes the package importable

from precipice.report import making as program
from precipice.report.figures import style
from precipice.runs.results import find_results

STEPS = np.arange(60)
# Datasets that make a run unreadable, and some whose values are merely odd.
UNREADABLE = [
    *(("metrics/step", value) for value in (STEPS[::-1], STEPS * 0, np.full(60, np.nan), np.float64(3))),
    *(("metrics/step", value) for value in (np.zeros((60, 2), int), STEPS * 2**56, STEPS - 5)),
    *(("config", value) for value in (np.zeros(6), np.float64(3), "seed = ", "x = " + "[" * 20000)),
    ("tensors/site", np.float64(1)),
]
ODD = [
    *(("metrics/train_loss", value) for value in (np.where(STEPS % 2, 1e308, -1e308), np.full(60, np.inf), np.zeros(0))),
    *(("metrics/train_loss", value) for value in (np.zeros((60, 0)), np.zeros(60, complex), STEPS * 1e-320)),
    *(("eval/validation_loss", value) for value in (np.full(2, 1e308), np.zeros((2, 2)), np.array(1.0))),
    *(("sharpness/last_token_eps1e-3", value) for value in (np.full(6, -1e308), np.arange(3) * 1e300)),
]
ATTRIBUTES = {
    "divergence_step": ("x", 2**62, np.zeros(2), np.nan),
    "entropy_floor": ("", np.zeros(2), np.inf, 1e308),
    "status": (np.zeros(3), 5),
    "commit": (b"\xff\xfe", np.zeros((2, 2))),
    "skipped_steps": ("x", -1, 1e308),
}
SETTINGS = {
    "optimizer.lr": ("x", 1e308, -1e-3),
    "seed": ([1, 2], "x", -1),
    "train.steps": ("x", 0, 10**12),
    "precision.recipe": (5, [1], ""),
}
STATUS = ('{"state": 5, "step": "x"}', "[]", '{"heartbeat": 1e400, "state": "running"}', "[" * 50000)


class Crafted(unittest.TestCase):
    def setUp(self) -> None:
        warnings.simplefilter("error")
        for patch in (mock.patch.object(style, "PNG_DPI", 30), mock.patch.dict("os.environ", {"PRECIPICE": "/no/program"})):
            patch.start()
            self.addCleanup(patch.stop)
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.runs = 0

    def add(self, probes: bool = False) -> Path:
        self.runs += 1
        config = fake_sweep.settings("bf16", 1e-3, self.runs, 60)
        losses = fake_sweep.loss_curve(1e-3, self.runs, 60)
        return fake_sweep.write_run(self.folder / f"run-{self.runs:03}", config, losses, probes=probes)

    def test_one_crafted_run_never_costs_the_report_of_the_others(self) -> None:
        good = self.add(probes=True)
        with np.errstate(all="ignore"):
            for name, value in UNREADABLE + ODD:
                with h5py.File(self.add(probes=True) / "run.h5", "a") as file:
                    del file[name]
                    file[name] = value
        for name, values in ATTRIBUTES.items():
            for value in values:
                with h5py.File(self.add() / "run.h5", "a") as file:
                    file.attrs[name] = value
        for name, values in SETTINGS.items():
            for value in values:
                config = {**fake_sweep.settings("bf16", 1e-3, 0, 60), name: value}
                with h5py.File(self.add() / "run.h5", "a") as file:
                    del file["config"]
                    file["config"] = fake_sweep.config_text(config)
        for text in STATUS:
            (self.add() / "status.json").write_text(text)
        states = [run.state for run in find_results(self.folder).runs]
        self.assertEqual(len(states), self.runs)
        self.assertEqual(states.count("unreadable"), len(UNREADABLE))
        self.assertEqual(states[0], "done")
        page = program.make_report(self.folder, self.folder, lambda text: None).read_text(encoding="utf-8")
        self.assertIn(good.name, page)
        self.assertIn("/metrics/step does not rise", page)

    def test_nothing_of_an_unreadable_run_is_drawn(self) -> None:
        with h5py.File(self.add(probes=True) / "run.h5", "a") as file:
            del file["tensors/step"]
            file["tensors/step"] = [5, 4, 3]
        (run,) = find_results(self.folder).runs
        self.assertEqual((run.state, len(run.metrics.steps), len(run.sharpness.steps)), ("unreadable", 0, 0))
        self.assertIn("/tensors/step does not rise", run.problem)


if __name__ == "__main__":
    unittest.main()
