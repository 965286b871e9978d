# SPDX-License-Identifier: Apache-2.0
"""compare_runs says that two runs are the same only where every bit is, and names the series that differs first."""
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
STEPS = np.arange(5)


def write_run(path):
    path.mkdir()
    with h5py.File(path / "run.h5", "w") as file:
        file.attrs["commit"], file.attrs["run_id"] = "1234567890", "abcdef"
        file["metrics/step"] = STEPS
        file["metrics/train_loss"] = 4.0 - STEPS
        file["tensors/step"] = STEPS[::2]
        file["tensors/x_amax"] = np.ones((3, 2), np.float32)


class CompareRunsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.a, self.b = Path(folder.name) / "a", Path(folder.name) / "b"
        write_run(self.a)
        shutil.copytree(self.a, self.b)

    def compare(self):
        done = subprocess.run([sys.executable, ROOT / "scripts" / "compare_runs.py", self.a, self.b], capture_output=True,
                              text=True)
        return done.returncode, done.stdout.splitlines(), done.stderr

    def changed(self):
        return h5py.File(self.b / "run.h5", "r+")

    def test_copies_are_the_same(self):
        self.assertEqual(self.compare(), (0, ["the same"], ""))

    def test_the_first_differing_step_comes_first(self):
        with self.changed() as file:
            file["metrics/train_loss"][3] = np.nextafter(1.0, 2)
            file["tensors/x_amax"][1, 1] = 2
        status, lines, _ = self.compare()
        self.assertEqual(status, 1)
        self.assertIn("tensors/x_amax at step 2, column 1: ", lines[0])
        self.assertIn("metrics/train_loss at step 3: ", lines[1])

    def test_the_sign_of_zero_and_the_bits_of_nan_count(self):
        with self.changed() as file:
            file["metrics/train_loss"][4] = -0.0
        self.assertEqual(self.compare()[0], 1)

    def test_shapes_missing_series_and_attributes_count(self):
        with self.changed() as file:
            del file["tensors/x_amax"]
            file.attrs["run_id"] = "other"
        status, lines, _ = self.compare()
        self.assertEqual(status, 1)
        self.assertEqual(lines[0].split(":")[0], "attribute run_id of /")
        self.assertEqual(lines[1], "tensors/x_amax is in one file only")

    def test_another_commit_is_said_and_is_no_difference(self):
        with self.changed() as file:
            file.attrs["commit"] = "fedcba0987"
        status, lines, _ = self.compare()
        self.assertEqual(status, 0)
        self.assertIn("commit", lines[0])

    def test_hints_for_viewers_which_older_files_lack_are_said_and_are_no_difference(self):
        with self.changed() as file:
            file.attrs["default"], file["metrics"].attrs["signal"] = "metrics", "train_loss"
        status, lines, _ = self.compare()
        self.assertEqual((status, lines[-1]), (0, "the same"))
        self.assertIn("attribute default of /", lines[0])

    def test_what_is_no_run_is_an_error(self):
        (self.b / "run.h5").unlink()
        status, lines, problem = self.compare()
        self.assertEqual((status, lines), (2, []))
        self.assertIn("compare_runs: ", problem)


if __name__ == "__main__":
    unittest.main()
