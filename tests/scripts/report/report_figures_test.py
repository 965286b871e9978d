# SPDX-License-Identifier: Apache-2.0
"""Figures that do not lie: points stay at their rate and within the axes, names stay apart, nothing joins what was not
measured between. Looked at as drawn, on runs that exist only in memory."""

import math
import unittest
from typing import List

import matplotlib.colors
import numpy as np
import support
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from precipice.report.analysis import Analysis
from precipice.report.grouping import Sweep
from precipice.report.figures.loss_figures import loss_figures
from precipice.report.figures.map_figures import divergence_figure
from precipice.report.figures.rate_figures import final_loss_figure, loss_by_format_figure
from precipice.runs.run_files import Run, SeriesGroup
from precipice.report.figures.style import counts_text, row_names, text_points, wrapped

support.draw_as_the_report_does()

LONG = [
    f"mxfp8:element={element},block={block}, accumulator=tensor-core:bits={bits}"
    for element in ("e5m3", "e4m3")
    for block in (16, 32)
    for bits in (12, 14)
]


def runs_of(recipes, rates, seeds=2, diverged=(), states=()) -> List[Run]:
    """`diverged`: pairs of recipe and rate; `states`: of the runs of the first recipe at the first rate."""
    runs = []
    for recipe in recipes:
        name, _, accumulator = recipe.partition(", accumulator=")
        for rate in rates:
            for seed in range(seeds):
                dead = (recipe, rate) in diverged and seed == 0
                config = {"precision.recipe": name, "optimizer.lr": rate, "seed": seed, "precision.accumulator": accumulator}
                made = support.run("diverged" if dead else "done", 2 + 0.1 * seed, 4.1 + 0.01 * len(runs), **config)
                runs.append(made)
    for made, state in zip(runs, states):
        made.state = state
    return runs


def drawn(figure: Figure) -> FigureCanvasAgg:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas


class Rates(unittest.TestCase):
    RATES = (1e-2, 1e-1)

    def test_every_point_of_ten_formats_is_in_the_band_of_its_rate_and_within_the_axes(self) -> None:
        recipes = [f"e{index}m1" for index in range(10)]
        dead = [(recipe, 1e-1) for recipe in recipes[::2]]
        runs = runs_of(recipes, self.RATES, diverged=dead)
        figure, _ = final_loss_figure(Sweep(runs))
        drawn(figure)
        axes = figure.axes[0]
        marked = [line for line in axes.lines if line.get_marker() not in ("None", "", None)]
        points = [point for line in marked for point in line.get_xydata()]
        self.assertEqual(len(points), 35 + 5)  # dots of runs that ended well, and a cross per format that diverged
        (left, right), (low, high) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
        spacing = math.log(self.RATES[1] / self.RATES[0])
        for x, y in points:
            nearest = min(abs(math.log(x / rate)) for rate in self.RATES)
            self.assertLess(nearest, 0.06 * spacing)
            self.assertTrue(left < x < right and low < y < high, (x, y))
        # In order from left to right, so that a reader can tell which is which.
        firsts = [line.get_xdata()[0] for line in marked if line.get_marker() != "x" and len(line.get_xdata())]
        self.assertEqual(sorted(firsts[::2]), firsts[::2])

    def test_unequal_spacing_and_a_rate_of_zero_keep_the_bands_apart(self) -> None:
        for rates in ((1e-3, 1.1e-3, 1.0), (0.0, 1e-3, 1e-2)):
            recipes = [f"e{index}m1" for index in range(10)]
            figure, _ = final_loss_figure(Sweep(runs_of(recipes, rates)))
            axes = figure.axes[0]
            for line in axes.lines:
                for x in line.get_xdata() if line.get_marker() == "o" else []:
                    nearest = sorted(abs(x - rate) for rate in rates)
                    self.assertLess(nearest[0] * 5, nearest[1])
                    self.assertTrue(axes.get_xlim()[0] < x < axes.get_xlim()[1])

    def test_a_loss_above_the_initial_one_stays_in_the_axes(self) -> None:
        runs = runs_of(["bf16", "fp8"], self.RATES)
        runs[-1].evals.series["validation_loss"][-1] = 30.0
        figure, _ = final_loss_figure(Sweep(runs))
        self.assertGreater(figure.axes[0].get_ylim()[1], 30)

    def test_two_values_are_not_joined_and_three_are(self) -> None:
        for rates, joined in ((self.RATES, 0), ((1e-3, *self.RATES), 2)):
            figure, _ = final_loss_figure(Sweep(runs_of(["bf16", "fp8"], rates)))
            lines = [line for line in figure.axes[0].lines if line.get_linestyle() != "None" and len(line.get_xdata()) > 1]
            self.assertEqual(len(lines), joined)
        ((figure, _),) = loss_figures(Sweep(runs_of(["bf16"], (1e-2,), seeds=1)), Analysis())
        curves = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
        shown = [(line.get_linestyle(), line.get_marker()) for line in curves if line.get_marker() != "^"]
        self.assertEqual(shown, [("None", "o")])

    def test_a_single_run_has_no_curve_of_one_dot_and_no_map_of_one_cell(self) -> None:
        sweep = Sweep(runs_of(["bf16"], (1e-2,), seeds=1))
        self.assertIsNone(final_loss_figure(sweep))
        self.assertIsNone(loss_by_format_figure(sweep))
        self.assertIsNone(divergence_figure(sweep))

    def test_one_rate_sets_the_formats_in_rows(self) -> None:
        sweep = Sweep(runs_of(["bf16", "fp8"], (1e-2,), diverged=[("fp8", 1e-2)]))
        self.assertIsNone(final_loss_figure(sweep))
        figure, picture = loss_by_format_figure(sweep)
        self.assertEqual([text.get_text() for text in figure.axes[0].get_yticklabels()], ["bf16  (n = 2)", "fp8  (n = 2)"])
        self.assertIn("fp8 none (1 of 2 runs diverged)", picture.parts[0].alt)


class Names(unittest.TestCase):
    def sweep(self) -> Sweep:
        return Sweep(runs_of(["bf16", *LONG], (1e-2, 1e-1)))

    def test_entries_of_a_legend_are_whole_differ_and_lie_within_the_figure(self) -> None:
        sweep = self.sweep()
        for figure, picture in [final_loss_figure(sweep), *loss_figures(sweep, Analysis())]:
            canvas = drawn(figure)
            (legend,) = figure.legends
            texts = [text.get_text() for text in legend.get_texts()]
            self.assertEqual(len(set(texts)), len(texts))
            self.assertTrue(any("bits=12" in text or "12" in text for text in texts))
            box = legend.get_window_extent(canvas.get_renderer())
            self.assertTrue(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, (picture.name, box, figure.bbox))
            whole = [figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1
                     for b in (text.get_window_extent(canvas.get_renderer()) for text in legend.get_texts())]
            self.assertTrue(all(whole))

    def test_titles_do_not_run_into_each_other(self) -> None:
        runs = runs_of([f"e{index}m1" for index in range(6)], (1e-3, 1e-2, 1e-1), seeds=3)
        runs = [run for number, run in enumerate(runs) if number % 7]  # unequal counts
        ((figure, _),) = loss_figures(Sweep(runs), Analysis())
        canvas = drawn(figure)
        titles = [axes._left_title for axes in figure.axes if axes.get_visible()]
        boxes = sorted((t.get_window_extent(canvas.get_renderer()) for t in titles), key=lambda box: box.x0)
        for left, right in zip(boxes, boxes[1:]):
            self.assertLess(left.x1, right.x0)
        self.assertIn("(n = 2 to 3)", titles[0].get_text())

    def test_the_cells_of_a_map_keep_their_size_beside_long_names_and_many_rates(self) -> None:
        for rates in ((1e-2, 1e-1), [10.0**-p for p in range(12)]):
            figure, _ = divergence_figure(Sweep(runs_of(LONG, rates)))
            drawn(figure)
            maps = [axes for axes in figure.axes if axes.images]
            cells = 0
            for axes in maps:
                rows, columns = axes.images[0].get_array().shape
                box = axes.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
                self.assertGreater(96 * box.width / columns, 45)
                self.assertGreater(96 * box.height / rows, 25)
                self.assertLess(96 * figure.get_figwidth() / min(len(maps), 2), 600)
                cells += rows * columns
            self.assertEqual(cells, 2 * len(LONG) * len(rates))  # fractions, and losses beside them

    def test_text_is_wrapped_whole(self) -> None:
        for text in (LONG[0], "x" * 200, "a b", "", "costs $5 or $6"):
            lines = wrapped(text, 100).replace(r"\$", "$").split("\n")
            self.assertEqual("".join(lines).replace(" ", ""), text.replace(" ", ""))
            self.assertTrue(all(text_points(line) <= 101 for line in lines))

    def test_a_count_stays_whole_beside_the_name_of_a_row(self) -> None:
        self.assertEqual(row_names(["bf16", "mxfp8 · e4m3 · 14", "costs $5"], [2, 12, 3]),
                         ["bf16  (n = 2)", "mxfp8 · e4m3 · 14\n(n = 12)", r"costs \$5  (n = 3)"])

    def test_counts_of_many_series_are_a_range(self) -> None:
        self.assertEqual(counts_text([3, 3]), "n = 3 each")
        self.assertEqual(counts_text([3]), "n = 3")
        self.assertEqual(counts_text([3, 1, 0]), "n = 3, 1, 0")
        self.assertEqual(counts_text([1] * 9 + [4]), "n = 1 to 4")


class Outcomes(unittest.TestCase):
    def test_untrained_and_skipped_runs_are_hatched_named_and_counted_apart(self) -> None:
        runs = runs_of(["bf16", "fp8"], (1e-2, 1e-1), states=["untrained", "skipped"])
        figure, picture = divergence_figure(Sweep(runs))
        hatches = [patch.get_hatch() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
        self.assertEqual(len({hatch for hatch in hatches if hatch}), 2)
        texts = [text.get_text() for text in figure.axes[0].texts]
        self.assertIn("0/2\n1 untrained\n1 skipped", texts)
        self.assertEqual([handle.get_label().split(":")[0] for handle in picture.legend], ["some untrained", "some skipped"])
        self.assertIn("bf16 at 1e-2: 1 untrained, 1 skipped", picture.parts[0].alt)
        figure, picture = final_loss_figure(Sweep(runs))
        labels = [handle.get_label() for handle in picture.legend]
        self.assertIn("one seed, untrained", labels)
        self.assertIn("one seed, half of its steps skipped", labels)
        hollow = [line for line in figure.axes[0].lines
                  if matplotlib.colors.to_hex(line.get_markerfacecolor()) == "#ffffff" and len(line.get_xdata())]
        self.assertEqual(sum(len(line.get_xdata()) for line in hollow), 2)

    def test_they_have_ended_with_a_loss(self) -> None:
        run = support.run("untrained", 4.0)
        self.assertTrue(run.ended and not run.diverged)
        self.assertEqual(run.final_loss, 4.0)

    def test_skipped_steps_come_from_what_the_program_wrote_or_from_the_series(self) -> None:
        run = support.run("done", 2.0)
        self.assertEqual(run.skipped_text, "")
        run.metrics = SeriesGroup(np.arange(60), {"skipped": np.ones(60)})
        self.assertEqual(run.skipped_text, "skipped 60 of 60 steps")
        run.status["skipped_steps"] = 31
        self.assertEqual(run.skipped_text, "skipped 31 of 60 steps")
        run.reason = "skipped 31 of 60 steps"
        self.assertEqual(run.skipped_text, "")


if __name__ == "__main__":
    unittest.main()
