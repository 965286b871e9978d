# SPDX-License-Identifier: Apache-2.0
"""run and sweep start the program with the settings that were meant, refuse what it refuses in its words, and show how far
it is."""

import io
import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import support

import precipice
from precipice.driving.shown import Line, duration, progress_text
from precipice.driving.words import assignments, merged
from precipice.program import PROGRAM, TREE, ask, find_program, program_path

TINY = {
    "model": {"layers": 1, "width": 16, "heads": 2, "context": 16},
    "data.tokens": 20000,
    "train": {"steps": 6, "batch": 2, "eval_every": 3, "eval_batches": 1},
}


class Driving(support.ProgramCase):
    def test_a_run_has_the_settings_of_the_mapping_and_of_the_arguments(self) -> None:
        settings = {"metrics.epsilons": np.array([1e-2, 5e-4]), "optimizer.lr": 1}
        recipe = "mxfp8:element=e5m3,block=16"
        run = precipice.run(TINY, settings, out=self.folder / "run", precision__recipe=recipe, optimizer__lr=np.float64(3e-3))
        self.assertEqual(run.config["precision.recipe"], recipe)
        self.assertEqual((run.config["optimizer.lr"], run.config["metrics.epsilons"]), (3e-3, [1e-2, 5e-4]))
        self.assertEqual(len(run.tree["metrics/train_loss"]), 6)

    def test_a_sweep_is_the_product_of_the_lists_and_a_second_call_finds_it_done(self) -> None:
        axes = {"precision.recipe": ["bf16", "mxfp8:element=e5m3,block=16"], "seed": range(2)}
        for _ in range(2):
            sweep = precipice.sweep(TINY, axes, out=self.folder / "sweep", jobs=2)
            self.assertEqual(sweep.runs.groupby("precision.recipe")["seed"].apply(sorted).to_dict(),
                             {recipe: [0, 1] for recipe in axes["precision.recipe"]})
            self.assertEqual(set(sweep.runs["steps_done"]), {6})

    def test_what_the_program_refuses_is_raised_in_its_words_and_with_its_exit_code(self) -> None:
        with self.assertRaises(precipice.ProgramError) as refused:
            precipice.run(TINY, out=self.folder / "refused", optimizer__lrr=1)
        self.assertIn("optimizer.lrr = 1: unknown key; did you mean optimizer.lr?", str(refused.exception))
        self.assertEqual(refused.exception.exit_code, 2)
        self.assertFalse((self.folder / "refused").exists())

    def test_an_interrupt_leaves_a_checkpoint_and_the_same_call_goes_on_to_the_same_bits(self) -> None:
        # A test suite in the background of a shell has SIGINT ignored, and so have its children.
        code = ("import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                "sys.path.insert(0, {!r}); import precipice\n"
                "precipice.run({!r}, out={!r}, train__steps=3000, metrics__sharpness_every=0)")
        out = self.folder / "long"
        words = [sys.executable, "-c", code.format(str(TREE / "python/precipice/src"), TINY, str(out))]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while not (out / "metrics.jnl").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        self.assertIn("KeyboardInterrupt", said)
        interrupted = ask(["status", "--json", out])
        self.assertIn(b'"interrupted"', interrupted)
        short = {"train.steps": 3000, "metrics.sharpness_every": 0}
        run = precipice.run(TINY, short, out=out)
        whole = precipice.run(TINY, short, out=self.folder / "whole")
        self.assertTrue(precipice.compare(run, whole).equal)


class Words(unittest.TestCase):
    def test_values_are_written_as_toml_reads_them(self) -> None:
        settings = {"a": {"b": 1, "c": True}, "d": "x,\"y\"", "e": [1.5, 2], "f": Path("p/q"), "g": range(2), "h": np.int64(3)}
        self.assertEqual(assignments(settings),
                         ["a.b=1", "a.c=true", 'd="x,\\"y\\""', "e=[1.5, 2]", 'f="p/q"', "g=[0, 1]", "h=3"])
        self.assertEqual(merged({"a.b": 1, "c": 2}, {"a__b": 3}), {"a.b": 3, "c": 2})
        with self.assertRaisesRegex(TypeError, "seed: a setting is a number, a word, true or false, or a list of these, not set"):
            assignments({"seed": {1}})

    def test_the_program_is_the_one_that_is_named_or_the_trees_or_that_in_path(self) -> None:
        with mock.patch.dict(os.environ, {"PRECIPICE": "/no/program"}):
            self.assertEqual(program_path(), Path("/no/program"))
            with self.assertRaisesRegex(precipice.ProgramError, "no program at /no/program: build it"):
                find_program()
        with mock.patch.dict(os.environ), mock.patch("precipice.program.PROGRAM", Path("/no/tree")), mock.patch(
            "shutil.which", return_value="/usr/bin/precipice"
        ):
            os.environ.pop("PRECIPICE", None)
            self.assertEqual(program_path(), Path("/usr/bin/precipice"))
        if os.access(PROGRAM, os.X_OK):
            self.assertIn(b"0.3125", ask(["cast", "--format", "e4m3", 0.3]))


class Shown(unittest.TestCase):
    def test_the_line_says_how_many_runs_are_where_and_how_long_is_left(self) -> None:
        runs = [{"state": "done", "step": 100, "steps": 100}, {"state": "diverged", "step": 20, "steps": 100},
                {"state": "running", "step": 50, "steps": 100}, {"state": "pending", "step": 0, "steps": 100}]
        # Of 400 steps 100 + 100 (a run that diverged has none left) + 50 took 50 s: 150 are left, 30 s.
        text = progress_text({"runs": runs}, time.monotonic() - 50)
        self.assertEqual(text, "2 of 4 runs; 1 done, 1 diverged, 1 running; 62 % of the steps; about 30 s left")
        run = {"state": "running", "step": 10, "steps": 40, "loss": 2.5, "steps_per_second": 2.0}
        self.assertEqual(progress_text({"runs": [run]}), "running; step 10 of 40; loss 2.5000; 2 steps/s; about 15 s left")
        self.assertEqual([duration(s) for s in (5, 600, 7200)], ["5 s", "10 min", "2.0 h"])

    def test_a_terminal_has_one_line_that_is_rewritten_and_a_file_none(self) -> None:
        for terminal in (True, False):
            stream = io.StringIO()
            stream.isatty = lambda: terminal  # type: ignore[method-assign]
            with mock.patch("sys.stderr", stream), Line() as line:
                line.say("step 1\x1b[31m")
                line.say("step 2")
            self.assertEqual(stream.getvalue().count("\r"), 3 if terminal else 0)
            self.assertNotIn("[31m\x1b", stream.getvalue())


if __name__ == "__main__":
    unittest.main()
