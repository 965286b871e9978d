# SPDX-License-Identifier: Apache-2.0
"""What the report takes from the program: survival, sensitivity, comparisons, labels, warnings. And index.h5, as h5py
reads it."""

import contextlib
import io
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import fake_sweep
import support
import h5py
import numpy as np

from precipice.report import __main__ as report
from precipice.report.figures import style
from precipice.program import PROGRAM, path_argument
from precipice.report.analysis import Analyses

SEEDS, STEPS = 6, 200


class Analysis(support.ProgramCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = cls.folder / "sweep"
        cls.ids = fake_sweep.write_program_sweep(
            cls.folder, ("bf16", "e8m3"), (1e-2, 1e-1), SEEDS, STEPS, missing=(0,)
        )
        # The program writes nothing but index.h5.
        before = cls.files()
        cls.merged = json.loads(cls.run_program("merge", "--json"))
        assert cls.files() - before == {"index.h5"}, cls.files() - before

    @classmethod
    def files(cls) -> set:
        return {str(path.relative_to(cls.folder)) for path in cls.folder.rglob("*")}

    @classmethod
    def run_program(cls, command: str, *options: str) -> str:
        done = subprocess.run([PROGRAM, command, cls.folder, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_index_reads_as_one_table_of_runs_by_steps_with_nan_where_a_run_is_missing_or_ended(self) -> None:
        with h5py.File(self.folder / "index.h5", "r") as index:
            losses = index["metrics/train_loss"][()]
            self.assertEqual(losses.shape, (len(self.ids), STEPS))
            ids = [name.decode() for name in index["runs/id"][()]]
            self.assertEqual(ids, self.ids)
            self.assertTrue(np.isnan(losses[0]).all())
            for row in range(1, len(ids)):
                with h5py.File(self.folder / ids[row] / "run.h5", "r") as run:
                    own = run["metrics/train_loss"][()]
                np.testing.assert_array_equal(losses[row, : len(own)], own)
                self.assertTrue(np.isnan(losses[row, len(own) :]).all())
            self.assertEqual(index["runs/state"][1].decode(), "done")
            self.assertNotEqual(index["runs/state"][0].decode(), "done")
            self.assertEqual(index["cells/diverged"][()].tolist(), [0, 0, 0, SEEDS - 1])
            self.assertEqual(json.loads(index["statistics"][()])["cells"], self.merged["cells"])

    def test_index_moves_with_its_folder(self) -> None:
        with tempfile.TemporaryDirectory() as elsewhere:
            moved = Path(elsewhere) / "moved"
            subprocess.run(["cp", "-r", self.folder, moved], check=True)
            here = os.getcwd()
            self.addCleanup(os.chdir, here)
            os.chdir("/")  # relative to the file, not to where one stands
            with h5py.File(moved / "index.h5", "r") as index:
                self.assertTrue(np.isfinite(index["metrics/train_loss"][1]).any())

    def test_the_page_shows_every_number_of_the_program(self) -> None:
        with mock.patch.object(style, "PNG_DPI", 40), tempfile.TemporaryDirectory() as out:
            with mock.patch("sys.argv", ["report", str(self.folder), "--out", out]), contextlib.redirect_stdout(
                io.StringIO()
            ):
                self.assertEqual(report.main(), 0)
            page = (Path(out) / "report.html").read_text(encoding="utf-8")
            figures = {path.name for path in (Path(out) / "figures").iterdir()}
        self.assertLessEqual({"survival.svg", "lr_sensitivity.svg", "difference.svg", "difference_curves.svg"}, figures)
        for pair in self.merged["comparisons"]["final_loss"]:
            if pair["effect"] is not None:
                self.assertIn(f"{pair['effect']:+.4f}", page)
        counts = f"only it {SEEDS - 1}, only the other 0"
        self.assertIn(f"{SEEDS - 1}/{SEEDS} against 0/{SEEDS} ({counts})", page)
        self.assertIn('<ul class="headline">', page)
        self.assertIn(f"Runs diverge from learning rate 1e-1 on (e8m3 {SEEDS - 1}/{SEEDS})", page)
        self.assertRegex(page, r">5/6</td><td[^>]*>43.6–97.0%</td>")  # Wilson's of 5/6
        self.assertNotIn("Statistics that are missing", page)
        self.assertIn("Rings: first spike of a seed", page)
        self.assertIn("<h2>Early warning</h2>", page)
        self.assertIn("compared only where they agree in recipe and lr", page)
        for rule in ("divergence", "soft", "olmo2", "olmo-core", "llm.c", "systems-scaling", "palm", "jump"):
            self.assertIn(f'<th scope="row">{rule}</th>', page)

    def test_a_program_that_refuses_is_quoted_and_not_fatal(self) -> None:
        with tempfile.TemporaryDirectory() as empty:
            with Analyses(Path(empty)) as analyses:
                analysis = analyses.wait(lambda text: None)
        self.assertEqual(len(analysis.problems), 2)  # of merge, which says labels as well, and of warn
        self.assertIn("neither a run directory", analysis.problems[0])
        self.assertEqual(analysis.statistics, {})


class PathArgument(unittest.TestCase):
    def test_a_path_that_begins_with_a_dash_is_no_option(self) -> None:
        self.assertEqual([path_argument(Path(path)) for path in ("-e", "./-e", "a/-e")], ["./-e", "./-e", "a/-e"])


if __name__ == "__main__":
    unittest.main()
