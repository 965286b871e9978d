# SPDX-License-Identifier: Apache-2.0
"""The figures of the online metrics and of landscapes, on invented runs."""

import tempfile
import unittest
from pathlib import Path

import fake_sweep
import h5py
import numpy as np
import support  # noqa: F401  makes the package importable

from precipice.report.grouping import Sweep
from precipice.report.figures.exponent_figures import ends_of, exponent_figure
from precipice.report.figures.histogram_figures import histogram_figure
from precipice.report.figures.landscape_figures import landscape_figure
from precipice.report.figures.lbfgs_figures import lbfgs_figure
from precipice.report.figures.online_figures import PANELS, curve_of, online_figure
from precipice.runs.results import find_results

support.draw_as_the_report_does()

RATE = 1e-2
STEPS = np.arange(0, 60, 20)
BINS = ["zero", "subnormal", "-3", "-2", "-1", "inf", "nan"]


class OnlineFigures(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def add(self, name: str, recipe: str, seed: int, **groups) -> None:
        losses = fake_sweep.loss_curve(RATE, seed, 60)
        path = fake_sweep.write_run(
            self.folder / name, fake_sweep.settings(recipe, RATE, seed, 60), losses, probes=False
        )
        with h5py.File(path / "run.h5", "a") as file:
            for group, (series, values, sites) in groups.items():
                fake_sweep.group(file, group, STEPS, {series: np.asarray(values)}, sites)

    def sweep(self) -> Sweep:
        return Sweep(find_results(self.folder).runs)

    def test_runs_without_online_metrics_have_no_figure(self) -> None:
        self.add("a", "bf16", 0)
        self.assertIsNone(online_figure(self.sweep()))

    def test_a_metric_that_is_off_leaves_an_empty_group_and_no_panel(self) -> None:
        self.add("a", "bf16", 0, critical=("critical_sharpness", [50.0, 90.0, 150.0], None))
        with h5py.File(self.folder / "a" / "run.h5", "a") as file:
            fake_sweep.group(file, "edge", [], {"edge_of_stability_ratio": np.zeros(0)})
            fake_sweep.group(file, "attention", [], {"max_attention_logit": np.zeros((0, 2))}, ["h.0", "h.1"])
        figure, _ = online_figure(self.sweep())
        titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
        self.assertEqual(titles, ["critical sharpness (n = 1)"])

    def test_panels_say_how_many_runs_they_show_and_draw_the_limit(self) -> None:
        for seed in range(3):
            self.add(f"b{seed}", "bf16", seed, critical=("critical_sharpness", [50.0, 90.0, 150.0 + seed], None))
        self.add("f0", "fp8", 0, critical=("critical_sharpness", [50.0, np.nan, np.nan], None))
        self.add("f1", "fp8", 1, gradient_error=("zeta_norm", [0.01, 0.02, 0.3], None))
        figure, picture = online_figure(self.sweep())
        titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
        self.assertEqual(titles, ["critical sharpness (n = 3, 1)", "error of the gradient, ζ (n = 0, 1)"])
        # 2 / learning rate = 200, a dashed line through all steps.
        limits = [line for line in figure.axes[0].lines if np.allclose(line.get_ydata(), 200)]
        self.assertEqual(len(limits), 1)
        self.assertEqual(len(limits[0].get_xdata()), 60)
        self.assertIn("1e-2", picture.title)

    def test_of_layers_and_sites_the_largest_counts_and_unknown_ones_do_not(self) -> None:
        table = [[1.0, np.nan], [3.0, 7.0], [np.nan, np.nan]]
        self.add("a", "bf16", 0, attention=("max_attention_logit", table, ["h.0", "h.1"]))
        panel = next(panel for panel in PANELS if panel.group == "attention")
        curve = curve_of(self.sweep().runs[0], panel)
        np.testing.assert_array_equal(curve.values, [1, 7, np.nan])
        self.add("b", "fp8", 0, attention=("max_attention_logit", np.full((3, 2), np.nan), ["h.0", "h.1"]))
        run = next(run for run in self.sweep().runs if run.id == "b")
        self.assertIsNone(curve_of(run, panel))

    def test_a_metric_that_no_list_names_has_a_panel_under_its_own_name(self) -> None:
        self.add("a", "bf16", 0, toy=("largest_weight", [1.0, 2.0, 4.0], None), noise=("noise_trace", [1, 2, 3], None))
        self.add("b", "fp8", 0, toy=("largest_weight", [1.0, 2.0, 8.0], None), by_site=("x", [[1], [2], [3]], ["h.0"]))
        self.assertEqual(sorted(self.sweep().runs[1].probes), ["toy"])  # what has sites is read where a figure draws it
        figure, picture = online_figure(self.sweep())
        titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
        self.assertEqual(titles, ["largest weight (n = 1 each)"])
        np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [1, 2, 4])
        self.assertIn("Largest weight. Last medians: ", picture.parts[0].alt)

    def test_names_of_metrics_that_the_program_would_not_give_are_left_out_and_hundreds_of_them_refused(self) -> None:
        self.add("a", "bf16", 0, toy=("$x$ <b>", [1.0, 2.0, 4.0], None))
        self.assertIsNone(online_figure(self.sweep()))
        with h5py.File(self.folder / "a" / "run.h5", "a") as file:
            for number in range(100):
                fake_sweep.group(file, f"g{number}", [0], {"x": np.zeros(1)})
        self.assertRegex(self.sweep().runs[0].problem, "10[0-9] groups of series")

    def test_the_exact_and_the_found_sharpness_share_an_axis_and_a_subspace_has_no_fraction(self) -> None:
        exact, found, fraction = [0.2, 0.4, 0.5], [0.1, 0.3, 0.45], [0.5, 0.75, 0.9]
        for seed in range(2):
            self.add(f"b{seed}", "bf16", seed)
            self.lbfgs(f"b{seed}", exact, found, fraction)
        self.add("f0", "fp8", 0)
        figure, picture = lbfgs_figure(self.sweep())
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        self.assertEqual(titles, ["exact (n = 2, 0)", "found by L-BFGS (n = 2, 0)", "fraction found (n = 2, 0)"])
        self.assertEqual(figure.axes[0].get_ylim(), figure.axes[1].get_ylim())
        for axes, expected in zip(figure.axes, (exact, found, fraction)):
            np.testing.assert_array_equal(axes.lines[0].get_ydata(), expected)
        self.assertNotIn("subspace", picture.caption)

        with h5py.File(self.folder / "b0" / "run.h5", "a") as file:
            file["lbfgs/fraction_eps1e-3"][:] = np.nan
        with h5py.File(self.folder / "b1" / "run.h5", "a") as file:
            file["lbfgs/fraction_eps1e-3"][:] = np.nan
        figure, picture = lbfgs_figure(self.sweep())
        self.assertEqual(len(figure.axes), 2)
        self.assertIn("subspace", picture.caption)

    def test_runs_without_lbfgs_have_no_such_figure(self) -> None:
        self.add("a", "bf16", 0)
        self.assertIsNone(lbfgs_figure(self.sweep()))

    def lbfgs(self, name: str, exact, found, fraction) -> None:
        values = {"exact_last_token_eps": exact, "last_token_eps": found, "fraction_eps": fraction}
        with h5py.File(self.folder / name / "run.h5", "a") as file:
            fake_sweep.group(file, "lbfgs", STEPS, {f"{key}1e-3": np.asarray(v) for key, v in values.items()})

    def histograms(self, name: str, counts: np.ndarray, series: str = "x") -> None:
        with h5py.File(self.folder / name / "run.h5", "a") as file:
            fake_sweep.group(file, "histograms", [0, 40], {series: counts}, ["up", "down"])
            file["histograms"].create_dataset("bin", data=BINS, dtype=h5py.string_dtype())

    def test_histograms_show_fractions_of_the_last_step_between_zeros_and_what_is_not_finite(self) -> None:
        counts = np.zeros((2, 2, len(BINS)))
        counts[1, 0] = [10, 0, 30, 0, 60, 0, 0]  # zeros, 2^-3, 2^-1
        counts[1, 1, 5:] = [1, 3]  # inf and NaN only
        self.add("a", "bf16", 0)
        self.histograms("a", counts)
        self.add("b", "fp8", 0)  # has none
        figure, picture = histogram_figure(self.sweep())
        panels = [axes for axes in figure.axes if axes.images]
        self.assertEqual([axes.get_title(loc="left") for axes in panels], ["bf16: x"])
        shown = np.ma.getdata(panels[0].images[0].get_array())
        tiny = shown.min()
        self.assertLess(tiny, 1e-6)
        expected = np.array([[tiny, 1], [0.6, tiny], [tiny, tiny], [0.3, tiny], [0.1, tiny]])
        np.testing.assert_allclose(shown, expected)
        labels = [label.get_text() for label in panels[0].get_yticklabels()]
        self.assertEqual((labels[-2], labels[-1]), ("inf, NaN", "zero"))
        self.assertIn("step 40", picture.caption)

    def test_histograms_that_are_off_or_malformed_have_no_figure(self) -> None:
        self.add("a", "bf16", 0)
        self.assertIsNone(histogram_figure(self.sweep()))
        with h5py.File(self.folder / "a" / "run.h5", "a") as file:
            fake_sweep.group(file, "histograms", [], {"x": np.zeros((0, 2, len(BINS)))}, ["up", "down"])
            file["histograms"].create_dataset("bin", data=BINS, dtype=h5py.string_dtype())
        self.assertIsNone(histogram_figure(self.sweep()))
        self.add("b", "bf16", 1)
        self.histograms("b", np.ones((2, 2, len(BINS) + 1)))
        self.assertIsNone(histogram_figure(self.sweep()))

    FACTS = {  # largest, smallest normal, smallest positive: of IEEE-like formats by hand
        "e2m1:bias=1": (6.0, 1.0, 0.5), "bf16": (1.9921875 * 2.0**127, 2.0**-126, 2.0**-133), "e5m2": (57344.0, 2.0**-14, 2.0**-16),
    }  # fmt: skip

    def ask(self, name: str):
        names = ("largest", "smallest_normal", "smallest_positive")
        return dict(zip(names, self.FACTS[name])) if name in self.FACTS else None

    def test_ends_of_formats_stand_over_the_histogram_of_the_operands(self) -> None:
        counts = np.zeros((2, 2, len(BINS)))
        counts[1, 0] = [0, 0, 30, 0, 70, 0, 0]  # 2^-3, 2^-1
        counts[1, 1] = [0, 0, 0, 10, 10, 0, 0]  # 2^-2, 2^-1
        self.add("a", "bf16", 0)
        self.histograms("a", counts)
        self.add("b", "e2m1:bias=1", 0)  # no histogram, but a format whose ends are drawn
        figure, picture = exponent_figure(self.sweep(), self.ask)
        bars, panel = figure.axes
        self.assertEqual([t.get_text() for t in bars.get_yticklabels()], ["bf16", "e2m1:bias=1", "e5m2"])
        thick, thin = bars.lines[2], bars.lines[3]  # of the second format: 1 to 6, that is below 2^3, and 1/2
        self.assertEqual(list(thick.get_xdata()), [0, 3])
        self.assertEqual(list(thin.get_xdata()), [-1, 0])
        heights = np.asarray(panel.lines[0].get_ydata())
        np.testing.assert_allclose(heights, [0.15, 0.25, 0.6])
        self.assertIn("bf16 from -3 to -1, 0.4 below e2m1:bias=1.", picture.parts[0].alt)
        self.assertIsNone(exponent_figure(self.sweep(), lambda name: None))

    def test_scaled_operands_have_no_ends_and_a_run_without_histograms_no_figure(self) -> None:
        self.add("a", "bf16", 0)
        self.assertIsNone(exponent_figure(self.sweep(), self.ask))
        self.assertIsNone(ends_of("e8m0", lambda name: {"largest": "inf"}))
        self.assertIsNone(ends_of("fp8", self.ask))

    def landscape(self, name: str, recipe: str, loss: np.ndarray, reach: float = 1.0) -> None:
        with h5py.File(self.folder / name, "w") as file:
            file["xcoordinates"] = np.linspace(-reach, reach, loss.shape[1])
            file["ycoordinates"] = np.linspace(-1, 1, loss.shape[0])
            file["train_loss"] = loss
            file.attrs["recipe"] = recipe
            file.attrs["step"] = 20

    def test_landscapes_stand_side_by_side_on_shared_axes_and_say_what_is_missing(self) -> None:
        bowl = np.add.outer(np.linspace(-1, 1, 4) ** 2, np.linspace(-1, 1, 5) ** 2) + 2
        rough = bowl.copy()
        rough[0, :2] = -1  # not computed
        rough[1, 1] = np.nan
        self.landscape("a.h5", "fp32", bowl)
        self.landscape("b.h5", "fp8", rough, reach=2.0)
        self.landscape("c.h5", "e8m3", np.full((4, 4), -1.0))
        (self.folder / "d.h5").write_bytes(b"no hdf5")
        figure, picture = landscape_figure(self.folder)
        flats = [axes for axes in figure.axes if "points" in axes.get_title(loc="left")]
        self.assertEqual(
            [axes.get_title(loc="left") for axes in flats],
            ["fp32, step 20\nn = 20 of 20 points", "fp8, step 20\nn = 17 of 20 points"],
        )
        for axes in flats:
            self.assertEqual(axes.get_xlim(), (-2, 2))
        surfaces = [axes for axes in figure.axes if hasattr(axes, "get_zlim")]
        self.assertEqual(len({tuple(np.round(axes.get_zlim(), 9)) for axes in surfaces}), 1)
        self.assertIn("a.h5, b.h5", picture.caption)

    def test_a_directory_without_landscapes_has_no_figure(self) -> None:
        self.add("a", "bf16", 0)
        self.assertIsNone(landscape_figure(self.folder))


if __name__ == "__main__":
    unittest.main()
