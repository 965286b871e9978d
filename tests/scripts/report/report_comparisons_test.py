# SPDX-License-Identifier: Apache-2.0
"""Comparisons on the page: one table whose words are the program's, a headline that goes no further, differences within seeds,
ramps of colours by bits, and the rates that figures show. On runs that exist only in memory."""

import math
import re
import unittest
from typing import Any, Dict, List

import matplotlib.colors
import numpy as np
import support
from matplotlib.patches import Rectangle

from precipice.report.material import shown_rates
from precipice.report.analysis import Analysis
from precipice.report.tables.claims_markdown import BEGIN, END, markdown_table, put_into
from precipice.report.tables.comparisons_table import comparisons_section
from precipice.report.figures.departure_figures import departure_figure
from precipice.report.figures.difference_figures import difference_curves_figure, difference_figure, make_pair, pairs_of
from precipice.report.grouping import Sweep
from precipice.report.headline import headline
from precipice.report.figures.ladder_figures import ladder_figure
from precipice.report.figures.map_figures import divergence_figure
from precipice.report.ramps import families
from precipice.report.figures.raster_figures import raster_figure
from precipice.runs.run_files import ReportError, Run, SeriesGroup

support.draw_as_the_report_does()

STEPS = 120


def made_run(recipe: str, rate: float, seed: int, final: float, state: str = "done") -> Run:
    run = support.run(state, final, 4.0, **{"precision.recipe": recipe, "optimizer.lr": rate, "seed": seed, "train.steps": STEPS})
    run.id = f"{recipe}-{rate:g}-{seed}"
    noise = np.random.default_rng(seed).normal(0, 0.05, STEPS)  # of the seed's batches: the same in all formats
    run.metrics = SeriesGroup(np.arange(STEPS), {"train_loss": 3 + noise + (final - 2 if math.isfinite(final) else 0)})
    return run


def ladder(recipes: Dict[str, float], rates=(1e-3,), seeds: int = 4) -> List[Run]:
    """`recipes`: what each ends above 2, seeds 0.1 apart."""
    return [
        made_run(recipe, rate, seed, 2 + 0.1 * seed + worse)
        for recipe, worse in recipes.items()
        for rate in rates
        for seed in range(seeds)
    ]


def entry(format_: str, rate: float, verdict: str, effect: float = 0.1, **more: Any) -> Dict[str, Any]:
    return {
        "format": format_, "reference": "bf16", "differs": ["precision.recipe"], "learning_rate": rate, "paired": True, "pairs": 4,
        "n": [4, 4], "effect": effect, "interval": [effect - 0.01, effect + 0.01], "confidence": 0.975, "test": "paired t",
        "p": 0.01, "holm_p": 0.02, "verdict": verdict, "dropped": 0, "events": [0, 0], "sentence": "", **more,
    }  # fmt: skip


def statistics(losses: List[Dict[str, Any]], divergence=(), cells=()) -> Dict[str, Any]:
    return {"reference": "bf16", "cells": list(cells), "comparisons": {"final_loss": losses, "divergence": list(divergence)}}


class Table(unittest.TestCase):
    sweep = Sweep(ladder({"bf16": 0, "fp8": 0.1, "e8m3": 0.2}))

    def test_decided_rows_stand_open_and_others_are_folded_with_their_reasons(self) -> None:
        rows = [entry("e8m3", 1e-3, "higher", 0.2), entry("fp8", 1e-3, "undecided", reason="why <not>")]
        page = comparisons_section(statistics(rows), self.sweep)
        shown, hidden = page[: page.index("<details>")], page[page.index("<details>") :]
        self.assertIn("+0.2000", shown)
        self.assertIn('<span class="verdict no">higher</span>', shown)
        self.assertNotIn("fp8", shown)
        self.assertIn("1 comparison that these runs do not decide", hidden)
        self.assertIn("loss: why &lt;not&gt;", hidden)
        self.assertIn("+0.0900 to +0.1100 (97.5%)", hidden)

    def test_discordant_pairs_stand_in_the_table(self) -> None:
        counts = {"both": 1, "only_first": 6, "only_second": 0, "neither": 1}
        divergence = [entry("fp8", 1e-3, "higher", 0.75, events=[7, 1], n=[8, 8], counts=counts)]
        page = comparisons_section(statistics([entry("fp8", 1e-3, "undecided")], divergence), self.sweep)
        self.assertIn("7/8 against 1/8 (only it 6, only the other 0)", page[: page.index("<p class")])

    def test_groups_without_common_seeds_say_so(self) -> None:
        page = comparisons_section(statistics([entry("fp8", 1e-3, "higher", paired=False)]), self.sweep)
        self.assertIn("as groups (4, 4)", page)

    def test_nothing_to_compare_has_no_table(self) -> None:
        self.assertEqual(comparisons_section({}, self.sweep), "")


class Headline(unittest.TestCase):
    def test_its_words_are_verdicts(self) -> None:
        sweep = Sweep(ladder({"bf16": 0, "fp8": 0.001, "e8m3": 0.2}))
        rows = [entry("e8m3", 1e-3, "higher", 0.2), entry("fp8", 1e-3, "undecided", 0.001)]
        said = " ".join(headline(sweep, Analysis(statistics=statistics(rows)), [1e-3]))
        self.assertIn("at which bf16 ends lowest, e8m3 ends 0.2000 nats higher than bf16 (+0.1900 to +0.2100)", said)
        self.assertNotIn("fp8", said)
        self.assertIn("No run diverged.", said)
        self.assertIn("1 of 2 comparisons are undecided.", said)

    def test_divergences_that_no_test_tells_apart_are_not_told_apart(self) -> None:
        sweep = Sweep(ladder({"bf16": 0, "fp8": 0.1}))
        cells = [{"format": "fp8", "learning_rate": 1e-3, "diverged": {"events": 2, "trials": 4}}]
        found = statistics([entry("fp8", 1e-3, "undecided")], [entry("fp8", 1e-3, "undecided")], cells)
        said = " ".join(headline(sweep, Analysis(statistics=found), [1e-3]))
        self.assertIn("from learning rate 1e-3 on (fp8 2/4); no format is told", said)


class Differences(unittest.TestCase):
    def test_differences_are_within_seeds(self) -> None:
        sweep = Sweep(ladder({"bf16": 0, "fp8": 0.05}))
        (pair,) = pairs_of(sweep, Analysis())
        np.testing.assert_allclose(pair.differences, [0.05] * 4)
        figure, picture = difference_figure(sweep, Analysis(), [1e-3])
        dots = [line.get_xdata() for line in figure.axes[0].lines if line.get_marker() == "."]
        np.testing.assert_allclose(np.concatenate(dots), [0.05] * 4)
        self.assertIn("fp8 +0.0500", picture.parts[0].alt)

    def test_pairs_with_a_diverged_run_are_counted_and_not_drawn(self) -> None:
        runs = ladder({"bf16": 0, "fp8": 0.05})
        runs[-1] = made_run("fp8", 1e-3, 3, math.nan, "diverged")
        sweep = Sweep(runs)
        pair = make_pair(sweep.cell("fp8", 1e-3), sweep.cell("bf16", 1e-3))
        self.assertEqual((len(pair.differences), pair.dropped), (3, 1))
        self.assertIn("1 pairs in which a run diverged", difference_figure(sweep, Analysis(), [1e-3])[1].caption)

    def test_runs_of_other_seeds_are_no_pairs(self) -> None:
        runs = [run for run in ladder({"bf16": 0, "fp8": 0.05}) if (run.seed < 2) == (run.config["precision.recipe"] == "bf16")]
        self.assertEqual(pairs_of(Sweep(runs), Analysis()), [])

    def test_the_noise_that_formats_share_cancels_over_steps(self) -> None:
        sweep = Sweep(ladder({"bf16": 0, "fp8": 0.05})).at(1e-3)
        figure, _ = difference_curves_figure(sweep, Analysis())
        curve = next(line for line in figure.axes[0].lines if len(line.get_xdata()) > 2)
        np.testing.assert_allclose(curve.get_ydata(), 0.05, atol=1e-9)

    def test_many_formats_are_spread_over_panels(self) -> None:
        recipes = {f"e{bits}m1": 0.01 * bits for bits in range(11)}
        sweep = Sweep(ladder({"bf16": 0, **recipes}, seeds=2)).at(1e-3)
        figure, _ = difference_curves_figure(sweep, Analysis())
        self.assertEqual(len([axes for axes in figure.axes if axes.get_visible()]), 3)
        groups = sweep.with_reference(sweep.labels)
        self.assertTrue(all("bf16" in group and len(group) <= 6 for group in groups))
        self.assertEqual(sorted({label for group in groups for label in group}), sorted(sweep.labels))


class Ramps(unittest.TestCase):
    LABELS = ["bf16", "fp8", "e8m1", "e8m3", "e8m5", "e8m1:rounding=rne", "e8m3:rounding=rne", "e8m5:rounding=rne"]

    def lightness(self, colour: str) -> float:
        red, green, blue = matplotlib.colors.to_rgb(colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def test_fewer_bits_are_lighter_and_another_rounding_has_another_line(self) -> None:
        styles = Sweep(ladder({label: 0 for label in self.LABELS}, seeds=1)).styles
        shades = [self.lightness(styles[label][0]) for label in ("e8m5", "e8m3", "e8m1")]
        self.assertEqual(shades, sorted(shades))
        for bits in (1, 3, 5):
            self.assertEqual(styles[f"e8m{bits}"][0], styles[f"e8m{bits}:rounding=rne"][0])
            self.assertNotEqual(styles[f"e8m{bits}"][1], styles[f"e8m{bits}:rounding=rne"][1])
        self.assertEqual(styles["bf16"][0], "#0072B2")
        self.assertEqual(len(set(styles.values())), len(self.LABELS))

    def test_two_formats_are_no_family_and_bits_of_accumulators_are_one(self) -> None:
        self.assertEqual(families(["bf16", "e8m3", "e8m5"]), [])
        ((_, endings, bits),) = families([f"fp8, accumulator=tensor-core:bits={bits}" for bits in (10, 12, 14)])
        self.assertEqual((endings, sorted(bits.values())), ([""], [10, 12, 14]))

    def test_a_ladder_has_a_series_for_each_rounding(self) -> None:
        worse = {label: 0.1 / (index + 1) for index, label in enumerate(self.LABELS)}
        sweep = Sweep(ladder({**worse, "bf16": 0})).at(1e-3)
        figure, picture = ladder_figure(sweep, Analysis())
        self.assertEqual(len(picture.legend), 2)
        self.assertEqual(figure.axes[0].get_xticks().tolist(), [1, 3, 5])
        self.assertIsNone(ladder_figure(Sweep(ladder({"bf16": 0, "fp8": 1})).at(1e-3), Analysis()))


class Rates(unittest.TestCase):
    def test_the_best_rate_and_the_lowest_at_which_formats_part_are_shown(self) -> None:
        runs = ladder({"bf16": 0, "fp8": 0.1}, (1e-4, 1e-3, 1e-2))
        for run in runs:
            run.evals.series["validation_loss"][-1] += {1e-4: 0.5, 1e-3: 0, 1e-2: 0.2}[run.learning_rate]
        sweep = Sweep(runs)
        rows = [entry("fp8", 1e-4, "equal"), entry("fp8", 1e-3, "undecided"), entry("fp8", 1e-2, "higher")]
        analysis = Analysis(statistics=statistics(rows))
        self.assertEqual(shown_rates(sweep, analysis, None), [1e-3, 1e-2])
        self.assertEqual(sweep.at(1e-2).why_shown, "the lowest at which formats part")
        self.assertEqual(shown_rates(Sweep(runs), Analysis(), None), [1e-3])
        self.assertEqual(shown_rates(sweep, analysis, 1e-4), [1e-4])
        with self.assertRaisesRegex(ReportError, r"no run has this learning rate; there are 1e-4, 1e-3, 1e-2"):
            shown_rates(sweep, analysis, 3e-3)


class Maps(unittest.TestCase):
    def test_losses_stand_beside_divergences_with_the_same_hatches(self) -> None:
        runs = ladder({"bf16": 0, "fp8": 0.1}, (1e-3, 1e-2), seeds=3)
        runs[0].state = "untrained"
        for seed in (1, 2):
            runs[-seed] = made_run("fp8", 1e-2, 3 - seed, math.nan, "diverged")
        figure, picture = divergence_figure(Sweep(runs))
        hatched = [sum(isinstance(p, Rectangle) and bool(p.get_hatch()) for p in axes.patches) for axes in figure.axes[:2]]
        self.assertEqual(hatched, [1, 1])
        texts = [text.get_text() for text in figure.axes[1].texts]
        self.assertIn("2.100", texts)  # the middle one of 2.0, 2.1, 2.2
        self.assertIn("×", texts)  # two of three diverged
        self.assertIn("and median final loss", picture.title)


class Details(unittest.TestCase):
    def test_strokes_of_a_raster_are_the_programs_episodes(self) -> None:
        sweep = Sweep(ladder({"bf16": 0, "fp8": 0.1}, seeds=2)).at(1e-3)
        labels = [{"rule": "jump", "run": run.id, "episodes": [10 * run.seed + 5, 90]} for run in sweep.runs]
        figure, picture = raster_figure(sweep, Analysis(labels={"labels": labels}))
        strokes = [x for line in figure.axes[0].lines if line.get_marker() == "|" for x in line.get_xdata()]
        self.assertEqual(sorted(strokes), [5, 5, 15, 15, 90, 90, 90, 90])
        self.assertIn("fp8 4 in 2 runs", picture.parts[0].alt)
        self.assertIsNone(raster_figure(sweep, Analysis()))

    def test_the_series_that_leaves_first_has_its_stroke_first(self) -> None:
        runs = ladder({"bf16": 0, "fp8": 0}, seeds=3)
        for run in runs:
            is_fp8 = run.config["precision.recipe"] == "fp8"
            steps = np.arange(0, STEPS, 10)
            sharp = np.where(is_fp8 & (steps >= 50), 2.0, 1.0)
            run.sharpness = SeriesGroup(steps, {"all_tokens_eps1e-3": sharp})
            run.metrics.series["train_loss"] = np.where(is_fp8 & (np.arange(STEPS) >= 100), 6.0, 3.0)
        figure, picture = departure_figure(Sweep(runs).at(1e-3), Analysis())
        first = [[x for line in axes.lines if line.get_marker() == "|" for x in line.get_xdata()] for axes in figure.axes]
        self.assertEqual(first, [[75.0] * 3, [125.0] * 3])
        self.assertIn("fp8 leaves its band in 3 of 3 seeds (median step 75)", picture.parts[0].alt)


class Markdown(unittest.TestCase):
    CLAIM = {
        "says": "a | b", "n": 4, "asked": 8, "effect": 0.0342, "interval": [0.02, 0.05], "holm_p": 1e-5, "verdict": "reproduced",
        "test": "paired-t", "unit": "nats", "pairs": 4, "changed": False, "late": True, "sequential": False, "looked_at": 0,
    }  # fmt: skip

    def test_rows_have_the_programs_numbers_and_words(self) -> None:
        counts = {"counts": {"only_first": 9, "only_second": 0}, "test": "mcnemar"}
        ratio = {"unit": "ratio of episodes per step", "effect": 0.93, "interval": [0.58, "inf"]}
        ratio["paper"] = "more | in 18"
        bits = {"test": "bits", "effect": 0.75, "interval": [None, None], "holm_p": None}
        table = markdown_table({"s": {"claims": [{**self.CLAIM, **more} for more in ({}, counts, ratio, bits)]}})
        rows = table.splitlines()[2:]
        self.assertEqual(rows[0], "| s | A \\| b | – | 4 of 8 | +0.0342 | +0.0200 to +0.0500 | 1e-05 | **reproduced** "
                                  "(written after its runs began) |")  # fmt: skip
        self.assertIn("| 9 against 0 of 4 pairs | – |", rows[1])
        self.assertIn("| A \\| b | more \\| in 18 | 4 of 8 | 0.93 times | 0.58 to inf |", rows[2])
        self.assertIn("| 3 of 4 pairs the same | – | – |", rows[3])

    def test_a_table_replaces_what_stands_between_the_marks(self) -> None:
        text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
        once = put_into(text, "new\n")
        self.assertEqual(once, f"before\n{BEGIN}\nnew\n{END}\nafter\n")
        self.assertEqual(put_into(once, "new\n"), once)
        for wrong in ("", f"{END}\n{BEGIN}", text + text):
            with self.assertRaises(ValueError):
                put_into(wrong, "new\n")

    def test_the_documents_table_has_its_marks(self) -> None:
        text = (support.SCRIPTS.parent / "docs/BACK_AGAIN.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| .* \|$", text[text.index(BEGIN) : text.index(END)], re.M)
        self.assertGreater(len(rows), 30)
        self.assertEqual(put_into(text, "\n".join(rows) + "\n"), text)


if __name__ == "__main__":
    unittest.main()
