# SPDX-License-Identifier: Apache-2.0
"""compare finds the step at which two runs part, to the bit, and pairs the runs of two sweeps."""

import shutil
import tempfile
import unittest
from pathlib import Path

import fake_sweep
import h5py
import numpy as np
import support  # noqa: F401  makes the package importable

import precipice


class Comparing(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.place = Path(holder.name)
        self.a = fake_sweep.write_run(self.place / "a", fake_sweep.settings("bf16", 1e-2, 0, 40),
                                      fake_sweep.loss_curve(1e-2, 0, 40))

    def copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.a, self.place / name))

    def test_a_copy_is_equal_with_its_nans(self) -> None:
        found = precipice.compare(self.a, self.copy("b"))
        self.assertTrue(found.equal)
        self.assertEqual((len(found.settings), found.only_in_a, found.only_in_b), (0, [], []))
        self.assertGreater(len(found.series), 50)  # sites each have a row; some hold nothing but NaN

    def test_one_bit_at_one_step_is_found_there(self) -> None:
        b = self.copy("b")
        with h5py.File(b / "run.h5", "r+") as file:
            loss = file["metrics/train_loss"]
            was = loss[23]
            loss[23] = np.nextafter(was, 9)
        found = precipice.compare(self.a, b)
        self.assertFalse(found.equal)
        (row,) = found.series[found.series["first_difference"].notna()].to_dict("records")
        self.assertEqual((row["series"], row["first_difference"], row["steps"]), ("train_loss", 23, 40))
        self.assertEqual(row["largest"], np.nextafter(was, 9) - was)

    def test_settings_that_differ_are_named_with_both_values(self) -> None:
        b = fake_sweep.write_run(self.place / "b", fake_sweep.settings("fp8", 1e-2, 0, 30), fake_sweep.loss_curve(1e-2, 0, 30))
        found = precipice.compare(self.a, b)
        self.assertEqual(found.settings.loc["precision.recipe"].tolist(), ["bf16", "fp8"])
        self.assertEqual(set(found.settings.index), {"precision.recipe", "train.steps"})
        self.assertFalse(found.equal)

    def test_a_shorter_run_is_not_equal(self) -> None:
        b = fake_sweep.write_run(self.place / "b", fake_sweep.settings("bf16", 1e-2, 0, 40),
                                 fake_sweep.loss_curve(1e-2, 0, 40)[:30], probes=False)
        found = precipice.compare(self.a, b)
        self.assertFalse(found.equal)
        self.assertIn("sharpness/last_token_eps1e-3", found.only_in_a)

    def test_runs_of_two_sweeps_are_paired_and_those_without_a_counterpart_named(self) -> None:
        a = fake_sweep.write_sweep(self.place / "one", ("bf16", "fp8"), (1e-2,), 2, 40)
        b = fake_sweep.write_sweep(self.place / "two", ("bf16",), (1e-2,), 3, 40)
        found = precipice.compare(a, b)
        self.assertEqual(found.runs["run"].tolist(), ["bf16-0.01-0", "bf16-0.01-1"])
        self.assertEqual(found.runs["difference"].tolist(), [0, 0])
        self.assertEqual((found.only_in_a, found.only_in_b), (["fp8-0.01-0", "fp8-0.01-1"], ["bf16-0.01-2"]))
        self.assertTrue(precipice.compare(a, a).equal)

    def test_a_run_is_not_compared_with_a_sweep(self) -> None:
        sweep = fake_sweep.write_sweep(self.place / "one", ("bf16",), (1e-2,), 1, 20)
        with self.assertRaisesRegex(TypeError, "one is a run and the other a sweep"):
            precipice.compare(self.a, sweep)


if __name__ == "__main__":
    unittest.main()
