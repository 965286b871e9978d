# SPDX-License-Identifier: Apache-2.0
"""What formats are called: the user's labels, names short enough for a legend, and the program's own names."""

import tempfile
import unittest
from pathlib import Path

import support

from precipice.report.analysis import Analysis, adopt_names
from precipice.report.grouping import Sweep
from precipice.report.names import LONGEST, renamed
from precipice.runs.results import read_sweep_record

KEY = "precision.recipe"


def sweep_of(*changes, labels=None) -> Sweep:
    base = {"seed": 0, "optimizer.lr": 1e-3, KEY: "bf16", "precision.accumulator": "", "train.z_loss": 0.0}
    return Sweep([support.run("done", 2.0, **{**base, **change}) for change in changes], labels)


class ShortNames(unittest.TestCase):
    def names(self, *changes, labels=None):
        sweep = sweep_of(*changes, labels=labels)
        shown = [sweep.name(label) for label in sweep.labels]
        self.assertEqual(len(set(shown)), len(shown))
        return shown

    def test_names_that_fit_stay_as_they_are(self) -> None:
        self.assertEqual(self.names({KEY: "fp8"}, {KEY: "mxfp8:block=16"}, {}), ["bf16", "fp8", "mxfp8:block=16"])

    def test_long_ones_keep_what_tells_them_apart(self) -> None:
        recipes = [f"mxfp8:element={element},block=16" for element in ("e5m3", "e4m3")]
        self.assertEqual(self.names({}, *({KEY: recipe} for recipe in recipes)),
                         ["bf16", "mxfp8 · element=e4m3", "mxfp8 · element=e5m3"])
        more = [{KEY: recipe, "precision.accumulator": f"tensor-core:bits={bits}"} for recipe in recipes for bits in (12, 14)]
        self.assertEqual(self.names({}, *more), ["bf16", *(f"mxfp8 · {e} · {b}" for e in ("e4m3", "e5m3") for b in (12, 14))])
        # What says the same twice is left out: the block goes with the element, the accumulator with its bits.
        pairs = [("e5m3", 16), ("e4m3", 16), ("e5m2", 32)]
        accumulators = ("", "tensor-core:bits=14")
        grid = [{KEY: f"mxfp8:element={e},block={b}", "precision.accumulator": a} for e, b in pairs for a in accumulators]
        expected = [f"mxfp8 · {e}{tail}" for e in ("e4m3", "e5m2", "e5m3") for tail in ("", " · 14")]
        self.assertEqual(self.names({}, *grid), ["bf16", *expected])

    def test_a_lone_long_name_does_not_pass_for_the_bare_recipe(self) -> None:
        shown = self.names({KEY: "mxfp8:element=e5m3,block=16,scale=e8m0"}, {})
        self.assertEqual(shown, ["bf16", "mxfp8 · e5m3 · 16 · e8m0"])

    def test_numbers_where_no_other_name_is_short_enough(self) -> None:
        paths = [f"/data/{'x' * 60}/{letter * 40}.toml" for letter in "ab"]
        shown = self.names(*({KEY: "bf16", "data.path": path} for path in paths))
        self.assertEqual(shown, ["format · 1", "format · 2"])
        many = [f"mxfp8:a={'y' * 30}{i},b={i}" for i in range(12)]
        for name in self.names(*({KEY: recipe} for recipe in many)):
            self.assertLessEqual(len(name), LONGEST)

    def test_a_note_stands_for_the_settings_that_go_with_it(self) -> None:
        arms = [{"note": "plain", KEY: "fp8"}, {"note": "plain, head in fp32", KEY: "fp8", "precision.lm_head": "high"},
                {"note": "z-loss", KEY: "fp8", "train.z_loss": 1e-4}]
        labels = {"note": {arm["note"]: arm["note"] for arm in arms}}
        self.assertEqual(self.names(*arms, labels=labels), ["plain", "plain, head in fp32", "z-loss"])
        # A second linked axis whose label is at the first of its keys, and a third one without words.
        phases = [{"train.steps": 300, "schedule.final_fraction": 0.1}, {"train.steps": 900, "schedule.final_fraction": 0.0}]
        labels["train.steps"] = {"300": "early", "900": "tail"}
        self.assertEqual(self.names(*({**arms[0], **phase} for phase in phases), {**arms[2], **phases[1]}, labels=labels),
                         ["plain, steps=early", "plain, steps=tail", "z-loss, steps=tail"])
        self.assertCountEqual(self.names(arms[0], {**arms[0], "train.z_loss": 1e-3}, arms[2], labels=labels),
                              ["plain, z_loss=0", "plain, z_loss=0.001", "z-loss, z_loss=0.0001"])

    def test_the_users_labels_come_first(self) -> None:
        labels = {KEY: {"mxfp8:element=e5m3,block=16": "wide"}, "train.z_loss": {"1e-4": "with z-loss", "0": "plain"}}
        recipe = "mxfp8:element=e5m3,block=16"
        changes = [{KEY: r, "train.z_loss": z} for r in ("bf16", recipe) for z in (0.0, 1e-4)]
        self.assertEqual(self.names(*changes, labels=labels),
                         [f"{r}, z_loss={z}" for r in ("bf16", "wide") for z in ("plain", "with z-loss")])
        # Two values of one label are told apart.
        self.assertEqual(self.names({}, {KEY: "fp8"}, labels={KEY: {"bf16": "same", "fp8": "same"}}), ["same (1)", "same (2)"])
        sweep = sweep_of({"optimizer.lr": 1e-3}, {"optimizer.lr": 0.1}, labels={"optimizer.lr": {"0.001": "low"}})
        self.assertEqual([sweep.rate_name(rate) for rate in sweep.rates], ["low (1e-3)", "1e-1"])


class Records(unittest.TestCase):
    def test_labels_and_axes_are_read_from_the_record_of_the_sweep(self) -> None:
        text = """schema_version = 1
command = 'precipice sweep "x y"'
base = ["train.steps = 40"]
axes = [
  "precision.recipe",
  "optimizer.lr",
]

[labels."precision.recipe"]
"mxfp8:element=e5m3,block=16" = "wide \\"MX\\" ü"
'fp8' = 'eight' # remark

[labels.seed]
0 = "first"

[[runs]]
id = "0123456789"
values = {"precision.recipe" = "fp8", "optimizer.lr" = 0.1}
"""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sweep.toml"
            path.write_text(text, encoding="utf-8")
            record = read_sweep_record(path)
        self.assertEqual(record.axes, ["precision.recipe", "optimizer.lr"])
        self.assertEqual(record.ids, ["0123456789"])
        self.assertEqual(record.command, 'precipice sweep "x y"')
        self.assertEqual(record.labels, {
            KEY: {"mxfp8:element=e5m3,block=16": 'wide "MX" ü', "fp8": "eight"}, "seed": {"0": "first"}})


class ProgramNames(unittest.TestCase):
    def test_formats_of_the_program_are_found_and_its_sentences_use_the_figures_names(self) -> None:
        long = "mxfp8:element=e5m3,block=16"
        sweep = sweep_of({}, {KEY: long, "train.z_loss": 1e-4}, {KEY: "fp8"}, labels={KEY: {long: "wide", "fp8": "eight"}})
        theirs = f"{long}, accumulator=, z_loss=0.0001"
        statistics = {
            "reference": "bf16, z_loss=0",
            "cells": [{"format": theirs}, {"format": "unknown"}],
            "comparisons": {"divergence": [{"format": theirs, "sentence": f"1 of 3 of {theirs} and 0 of bf16, z_loss=0: no."}]},
        }
        analysis = Analysis(statistics=statistics)
        adopt_names(analysis, sweep)
        names = [sweep.name(cell["format"]) for cell in statistics["cells"]]
        self.assertEqual(names, ["wide, z_loss=0.0001", "unknown"])
        self.assertEqual(analysis.statistics["reference"], "bf16, z_loss=0")
        sentence = statistics["comparisons"]["divergence"][0]["sentence"]
        self.assertEqual(sentence, "1 of 3 of wide, z_loss=0.0001 and 0 of bf16, z_loss=0: no.")

    def test_a_name_within_another_is_left(self) -> None:
        names = {"fp8": "eight", "fp8-all": "fp8-all", "bf16": "bf16"}
        self.assertEqual(renamed("fp8-all and fp8, not e4fp8.", names), "fp8-all and eight, not e4fp8.")


if __name__ == "__main__":
    unittest.main()
