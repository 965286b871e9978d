# SPDX-License-Identifier: Apache-2.0
"""The report's figures as functions: they draw the runs' own numbers, of several directories side by side, and leave
matplotlib as it was."""

import contextlib
import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import fake_sweep
import matplotlib
import numpy as np
import support
from matplotlib.figure import Figure

import precipice
from precipice.program import PROGRAM
from precipice.report import __main__ as command
from precipice.report.descriptions import DESCRIPTIONS
from precipice.report.drawing import FIGURES
from precipice.report.figures import style
from precipice.report.material import NOT_POOLED


class Figures(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = fake_sweep.write_sweep(Path(holder.name) / "sweep", ("bf16", "fp8"), (1e-3, 1e-2), 2, 60)
        patch = mock.patch.dict("os.environ", {"PRECIPICE": "/no/program"})
        patch.start()
        cls.addClassCleanup(patch.stop)
        cls.material = precipice.report.read(cls.folder)

    def test_the_u_curve_has_a_dot_at_every_runs_final_loss(self) -> None:
        (axes,) = precipice.report.final_loss(self.material).axes
        drawn = np.concatenate([line.get_ydata() for line in axes.lines if line.get_marker() in ("o", "s", "D", "v")])
        losses = precipice.load_sweep(self.folder, groups=()).runs["final_loss"]
        self.assertEqual(len(losses), 8)
        for loss in losses:
            self.assertIn(loss, drawn)

    def test_figures_come_by_name_and_those_without_data_are_left_out(self) -> None:
        found = precipice.figures(self.material)
        self.assertTrue({"final_loss", "divergence", "loss_curves", "sharpness", "tensors"} <= set(found))
        self.assertTrue(all(isinstance(figure, Figure) for figure in found.values()))
        self.assertNotIn("landscapes", found)
        with self.assertRaisesRegex(precipice.ReportError, "landscapes: these runs hold nothing to draw of it"):
            precipice.figure(self.material, "landscapes")
        with self.assertRaisesRegex(precipice.ReportError, "no figure is called u_curve; there are final_loss, "):
            precipice.figures(self.material, "u_curve")
        with self.assertRaisesRegex(precipice.ReportError, "0.5: no run has this learning rate"):
            precipice.report.loss_curves(self.folder, lr=0.5)

    def test_every_figure_has_a_function_with_a_description(self) -> None:
        self.assertEqual(list(DESCRIPTIONS), list(FIGURES))
        for name, what in DESCRIPTIONS.items():
            draw = getattr(precipice.report, name)
            self.assertEqual(draw.__name__, name)
            self.assertTrue(draw.__doc__.startswith(what))

    def test_matplotlib_is_left_as_it_was(self) -> None:
        with matplotlib.rc_context({"axes.grid": False, "font.size": 23, "lines.linewidth": 7}):
            before = dict(matplotlib.rcParams)
            figure = precipice.report.loss_curves(self.material)
            self.assertEqual(dict(matplotlib.rcParams), before)
        self.assertEqual({label.get_fontsize() for label in figure.axes[0].get_xticklabels()}, {9.0})

    def test_a_single_run_and_a_loaded_sweep_are_sources_too(self) -> None:
        run = precipice.load_run(self.folder / "fp8-0.01-1")
        self.assertEqual(set(precipice.figures(run, "loss_curves")), {"loss_curves"})
        self.assertEqual(len(precipice.report.divergence(precipice.load_sweep(self.folder)).axes), 4)
        with self.assertRaisesRegex(TypeError, "needs a directory, several of them, or what load_run"):
            precipice.figures(7)


class SeveralDirectories(support.ProgramCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.a, cls.b = cls.folder / "a", cls.folder / "b"
        fake_sweep.write_program_sweep(cls.a, ("bf16",), (1e-3, 1e-2), 3, 40)
        fake_sweep.write_program_sweep(cls.b, ("e8m3",), (1e-3, 1e-2), 3, 40)

    def report(self, *words: object) -> str:
        out = self.folder / "out"
        with mock.patch.object(style, "PNG_DPI", 30), contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(command.main([*map(str, words), "--out", str(out)]), 0)
        return (out / "report.html").read_text(encoding="utf-8")

    def test_formats_of_two_directories_are_compared_by_the_program_as_one_sweep(self) -> None:
        material = precipice.report.read([self.a, self.b])
        self.assertEqual(material.analysis.problems, [])
        (entry,) = [e for e in material.analysis.statistics["comparisons"]["final_loss"] if e["learning_rate"] == 1e-3]
        losses = precipice.load_sweep([self.a, self.b], groups=()).runs
        means = losses[losses["lr"] == 1e-3].groupby("format")["final_loss"].mean()
        self.assertEqual((entry["format"], entry["reference"]), ("e8m3", "bf16"))
        self.assertAlmostEqual(entry["effect"], means["e8m3"] - means["bf16"], delta=1e-12)  # sums of three doubles
        self.assertIn("Formats against bf16", self.report(self.a, self.b))

    def test_runs_of_equal_settings_stand_side_by_side_and_are_not_pooled(self) -> None:
        one = next(path for path in sorted(self.a.iterdir()) if path.is_dir())
        material = precipice.report.read([self.a, one])
        self.assertEqual(material.analysis.problems, [NOT_POOLED])
        self.assertIn("directory", material.sweep.varying)
        self.assertEqual(sorted(len(cell.runs) for cell in material.sweep.cells.values()), [1, 3, 3])

    def test_several_directories_need_a_place_for_their_report(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as ended:
            command.main([str(self.a), str(self.b)])
        self.assertEqual(ended.exception.code, 2)
        self.assertIn("several directories need --out DIR2", said.getvalue())
        with self.assertRaisesRegex(precipice.ReportError, "several directories need `out`"):
            precipice.write_report([self.a, self.b])

    def test_the_programs_command_takes_several(self) -> None:
        done = subprocess.run([PROGRAM, "report", self.a, self.folder / "missing", "--out", self.folder / "x"],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("missing is no directory", done.stderr)


if __name__ == "__main__":
    unittest.main()
