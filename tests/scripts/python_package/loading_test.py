# SPDX-License-Identifier: Apache-2.0
"""load_run and load_sweep give what is in the files, every value of it, and pad what was never computed with NaN: against
h5py, value by value."""

import tempfile
import unittest
from pathlib import Path

import fake_sweep
import h5py
import numpy as np
import support  # noqa: F401  makes the package importable

import precipice
from precipice.runs.loading import KEYS

RECIPES, RATES, SEEDS, STEPS = ("bf16", "e8m3"), (1e-2, 1e-1), 2, 60


class Loading(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        # e8m3 diverges at 1e-1 on seed 1 after 65 steps, but its curve has 60; so a shorter one is made by hand.
        cls.folder = fake_sweep.write_sweep(Path(holder.name) / "sweep", RECIPES, RATES, SEEDS, STEPS)
        config = fake_sweep.settings("e8m3", 1e-1, 0, STEPS)
        losses = np.append(fake_sweep.loss_curve(1e-1, 0, STEPS)[:17], np.inf)
        cls.dead = fake_sweep.write_run(cls.folder / "e8m3-0.1-0", config, losses, "diverged", 17, "loss not finite")
        cls.sweep = precipice.load_sweep(cls.folder)

    def test_a_runs_tree_has_every_series_of_the_file_with_its_axes(self) -> None:
        run = precipice.load_run(self.folder / "bf16-0.01-1")
        seen = 0
        with h5py.File(run.directory / "run.h5") as file:
            for name, group in file.items():
                for series in group if isinstance(group, h5py.Group) else ():
                    found = run.tree[name][series]
                    stored = group[series].asstr()[()] if group[series].dtype.kind == "O" else group[series][()]
                    np.testing.assert_array_equal(found.to_numpy(), stored, f"{name}/{series}")
                    seen += 1
        self.assertGreater(seen, 15)
        self.assertEqual(run.tree["tensors/x_amax"].dims, ("step", "site"))
        self.assertEqual((run.state, run.diverged, run.divergence_step), ("done", False, None))
        self.assertEqual((run.config["precision.recipe"], run.attributes["isa"]), ("bf16", "avx2"))

    def test_a_sweeps_arrays_hold_each_run_and_nan_behind_its_last_step(self) -> None:
        losses = self.sweep.tree["metrics/train_loss"]
        self.assertEqual(losses.dims, ("run", "step"))
        self.assertEqual(losses.sizes, {"run": len(RECIPES) * len(RATES) * SEEDS, "step": STEPS})
        for run in self.sweep.runs.index:
            with h5py.File(self.folder / run / "run.h5") as file:
                stored = file["metrics/train_loss"][()]
            found = losses.sel(run=run).to_numpy()
            np.testing.assert_array_equal(found[: len(stored)], stored)
            self.assertTrue(np.isnan(found[len(stored) :]).all(), run)
        self.assertEqual(int(np.isnan(losses.sel(run=self.dead.name)).sum()), STEPS - 18)

    def test_divergence_is_a_column_and_leaves_no_final_loss(self) -> None:
        runs = self.sweep.runs
        self.assertEqual(list(runs.index[runs["diverged"]]), [self.dead.name, "e8m3-0.1-1"])
        self.assertEqual(runs.loc[self.dead.name, "divergence_step"], 17)
        self.assertEqual(runs.loc[self.dead.name, "reason"], "loss not finite")
        self.assertTrue(np.isnan(runs.loc[self.dead.name, "final_loss"]))
        self.assertTrue(np.isfinite(runs.loc["bf16-0.1-0", "final_loss"]))
        self.assertEqual(set(runs["format"]), set(RECIPES))
        self.assertFalse(runs["untrained"].any())

    def test_a_cube_has_each_run_where_its_format_rate_and_seed_are(self) -> None:
        cube = self.sweep.cube()
        self.assertEqual(cube["train_loss"].dims, (*KEYS, "step"))
        for run, row in self.sweep.runs.iterrows():
            cell = cube.sel(format=row["format"], lr=row["lr"], seed=row["seed"])
            np.testing.assert_array_equal(cell["train_loss"], self.sweep.tree["metrics/train_loss"].sel(run=run))
            np.testing.assert_array_equal(cell["final_loss"], row["final_loss"])
            self.assertEqual(float(cell["diverged"]), float(row["diverged"]), run)
            # The series of the schedule has a name of its own.
            self.assertEqual(float(cell["learning_rate"][0]), row["lr"], run)

    def test_two_runs_in_one_place_of_the_cube_are_named(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            for name in ("a0", "a1"):
                fake_sweep.write_run(Path(place) / name, fake_sweep.settings("bf16", 1e-2, 0, 5), [4.0] * 5)
            with self.assertRaisesRegex(ValueError, "a0 and a1 both have format bf16, lr 0.01, seed 0"):
                precipice.load_sweep(place).cube()

    def test_frames_hold_every_value_once_and_only_steps_that_were_done(self) -> None:
        frame = self.sweep.frame("metrics")
        self.assertEqual(list(frame.columns[:6]), ["run", *KEYS, "diverged", "step"])
        long = self.sweep.series()
        for run in self.sweep.runs.index:
            with h5py.File(self.folder / run / "run.h5") as file:
                stored = file["metrics/train_loss"][()]
                shares = file["tensors/x_saturated"][()]
            np.testing.assert_array_equal(frame[frame["run"] == run]["train_loss"], stored)
            rows = long[(long["run"] == run) & (long["group"] == "tensors") & (long["series"] == "x_saturated")]
            np.testing.assert_array_equal(rows["value"], shares.ravel())
            self.assertEqual(rows["site"].tolist(), fake_sweep.SITES * len(shares))

    def test_several_directories_are_one_sweep_whose_equal_settings_stay_apart(self) -> None:
        both = precipice.load_sweep([self.folder, self.dead])
        self.assertEqual(len(both.runs), len(self.sweep.runs) + 1)
        twice = both.runs[both.runs["directory"] == str(self.dead)]
        self.assertEqual(list(twice.index), ["sweep/e8m3-0.1-0", "e8m3-0.1-0/e8m3-0.1-0"])
        self.assertEqual(twice["format"].nunique(), 2)
        self.assertEqual(both.cube()["train_loss"].notnull().any("step").sum(), len(both.runs))

    def test_a_run_that_cannot_be_read_has_a_row_that_says_so(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            for name, content in (("good", None), ("torn", b"\x89HDF\r\n\x1a\n" + bytes(100))):
                made = fake_sweep.write_run(Path(place) / name, fake_sweep.settings("bf16", 1e-2, 0, 5), [4.0] * 5)
                if content:
                    (made / "run.h5").write_bytes(content)
            sweep = precipice.load_sweep(place)
            self.assertEqual(sweep.runs["state"].tolist(), ["done", "unreadable"])
            self.assertTrue(np.isnan(sweep.tree["metrics/train_loss"].sel(run="torn")).all())
            self.assertIn("run.h5", sweep.runs.loc["torn", "reason"])
            with self.assertRaisesRegex(precipice.ReportError, "torn: run.h5"):
                precipice.load_run(Path(place) / "torn")

    def test_what_is_no_run_is_refused_by_name(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            for load in (precipice.load_run, precipice.load_sweep):
                with self.assertRaisesRegex(precipice.ReportError, place):
                    load(place)
        with self.assertRaisesRegex(KeyError, "no group metric; there are eval, metrics"):
            precipice.load_run(self.folder / "bf16-0.01-1").frame("metric")


if __name__ == "__main__":
    unittest.main()
