# SPDX-License-Identifier: Apache-2.0
"""Which runs belong together, their labels, order and colours; and reading the config they are told apart by."""

import unittest

import fake_sweep
import support

from precipice.runs.config_text import parse_config
from precipice.report.grouping import Sweep, varying_keys


def sweep_of(*changes, **common) -> Sweep:
    runs = []
    for change in changes:
        config = {"seed": 0, "optimizer.lr": 1e-3, "precision.recipe": "bf16", **common, **change}
        runs.append(support.run("done", 2.0, **config))
    return Sweep(runs)


class Grouping(unittest.TestCase):
    def test_seeds_and_learning_rates_make_no_format(self) -> None:
        sweep = sweep_of(
            {"seed": 0, "data.seed": 0}, {"seed": 1, "data.seed": 1}, {"optimizer.lr": 1e-2, "init.seed": 7}
        )
        self.assertEqual(sweep.varying, [])
        self.assertEqual(sweep.labels, ["bf16"])
        self.assertEqual(sweep.rates, [1e-3, 1e-2])
        self.assertEqual(len(sweep.cell("bf16", 1e-3).runs), 2)

    def test_the_recipe_names_the_format_from_fine_to_coarse(self) -> None:
        recipes = ["e8m3", "fp8", "odd", "bf16", "e8m5", "fp32"]
        sweep = sweep_of(*[{"precision.recipe": recipe} for recipe in recipes])
        self.assertEqual(sweep.labels, ["fp32", "bf16", "fp8", "e8m5", "e8m3", "odd"])

    def test_other_keys_that_vary_are_named(self) -> None:
        sweep = sweep_of(
            {"precision.recipe": "fp8"},
            {"precision.recipe": "fp8", "precision.x": "e3m4"},
            {"precision.recipe": "bf16"},
            **{"precision.x": ""},
        )
        self.assertEqual(sweep.labels, ["bf16", "fp8", "fp8, x=e3m4"])
        sweep = sweep_of({"model.width": 64}, {"model.width": 128})
        self.assertEqual(sweep.labels, ["width=128", "width=64"])
        sweep = sweep_of({"a.n": 1, "b.n": 1}, {"a.n": 2, "b.n": 2})
        self.assertEqual(sweep.labels, ["a.n=1, b.n=1", "a.n=2, b.n=2"])

    def test_usual_recipes_keep_their_colours_whatever_else_is_there(self) -> None:
        alone = sweep_of({"precision.recipe": "fp8"}).styles["fp8"]
        many = sweep_of(*[{"precision.recipe": name} for name in ["fp8"] + [f"f{i}" for i in range(20)]]).styles
        self.assertEqual(many["fp8"], alone)
        self.assertEqual(len(set(many.values())), 21)

    def test_best_rate_is_the_baselines_with_diverged_runs_counted(self) -> None:
        runs = [
            support.run("done", 2.5, **{"optimizer.lr": 1e-3, "precision.recipe": "bf16"}),
            support.run("done", 2.0, **{"optimizer.lr": 1e-2, "precision.recipe": "bf16"}),
            support.run("diverged", **{"optimizer.lr": 1e-2, "precision.recipe": "bf16"}),
            support.run("done", 1.0, **{"optimizer.lr": 1e-1, "precision.recipe": "fp8"}),
        ]
        self.assertEqual(Sweep(runs).best_rate, 1e-3)

    def test_runs_of_one_config_on_different_files_are_never_in_one_cell(self) -> None:
        runs = [support.run("done", 2.0, **{"optimizer.lr": 1e-3, "precision.recipe": "bf16", "seed": i}) for i in range(3)]
        for run, digit in zip(runs, "aab"):
            run.inputs = {"data.path": digit * 64}
        sweep = Sweep(runs)
        self.assertEqual(sweep.labels, ["sha256=aaaaaaaa", "sha256=bbbbbbbb"])
        self.assertEqual(len(sweep.cell("sha256=aaaaaaaa", 1e-3).runs), 2)
        self.assertIn("different files (data.path, SHA-256 aaaaaaaa, bbbbbbbb)", sweep.split)
        one = [support.run("done", 2.0, **{"optimizer.lr": 1e-3, "precision.recipe": "bf16", "seed": i}) for i in range(3)]
        for run in one:
            run.inputs = {"data.path": "a" * 64}
        self.assertEqual((Sweep(one).labels, Sweep(one).split), (["bf16"], ""))

    def test_nothing_at_all(self) -> None:
        sweep = Sweep([])
        self.assertEqual((sweep.labels, sweep.rates, sweep.best_rate, sweep.baseline), ([], [], None, ""))
        self.assertEqual(varying_keys([]), [])


class ConfigText(unittest.TestCase):
    TEXT = r"""
seed = 3
threads = 1

[metrics]
epsilons = [0.001, 5e-4]
# remark
[precision]
recipe = "fp8"
x = ''
[data]
path = "a \"b\" [c], d.txt"
source = 'te"x\t'
long = '''it's'''
list = ['a, b', "c"]
tokens = 2_000_000
[optimizer]
lr = 1e-3
nesterov = true
"""

    def test_sections_become_dotted_keys_and_values_their_types(self) -> None:
        config = parse_config(self.TEXT)
        self.assertEqual(config["optimizer.lr"], 1e-3)
        self.assertEqual(config["data.path"], 'a "b" [c], d.txt')
        self.assertEqual(config["data.list"], ["a, b", "c"])
        self.assertEqual(config["data.tokens"], 2_000_000)
        self.assertIs(config["optimizer.nesterov"], True)

    def test_what_is_no_config_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            parse_config("what is this\n")


if __name__ == "__main__":
    unittest.main()
