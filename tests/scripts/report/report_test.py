# SPDX-License-Identifier: Apache-2.0
"""The whole report on invented sweeps, ordinary and odd."""

import contextlib
import hashlib
import io
import json
import math
import os
import re
import resource
import tempfile
import time
import unittest
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import List
from unittest import mock

import fake_sweep
import h5py
import numpy as np
import support  # noqa: F401  makes the package importable

from precipice.report import __main__ as program
from precipice.report.figures import loss_figures
from precipice.report.figures import style
from precipice.runs.results import find_results


class Text(HTMLParser):
    """Checks that tags are balanced, and collects text and attributes."""

    VOID = {"meta", "img", "br", "link", "hr", "input"}

    def __init__(self) -> None:
        super().__init__()
        self.open: List[str] = []
        self.attributes: List[tuple] = []
        self.words: List[str] = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> out of place"

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


class Report(unittest.TestCase):
    def setUp(self) -> None:
        warnings.simplefilter("error")
        fast = mock.patch.object(style, "PNG_DPI", 40)
        fast.start()
        self.addCleanup(fast.stop)
        # The program's statistics are tested in report_analysis_test.py; here the page has to do without them.
        alone = mock.patch.dict("os.environ", {"PRECIPICE": "/no/program"})
        alone.start()
        self.addCleanup(alone.stop)
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name) / "sweep"

    def run_program(self, *arguments: str) -> int:
        self.errors, self.output = io.StringIO(), io.StringIO()
        with mock.patch("sys.argv", ["report", *arguments]), contextlib.redirect_stderr(
            self.errors
        ), contextlib.redirect_stdout(self.output):
            return program.main()

    def report(self) -> str:
        """The page's text, after checking what holds for every page."""
        self.assertEqual(self.run_program(str(self.folder)), 0, self.errors.getvalue())
        page = (self.folder / "report.html").read_text(encoding="utf-8")
        self.assertLess(len(page), 5_000_000)
        reader = Text()
        reader.feed(page)
        self.assertEqual(reader.open, [])
        ids = [value for _, name, value in reader.attributes if name == "id"]
        self.assertEqual(len(ids), len(set(ids)))
        for tag, name, value in reader.attributes:
            self.assertNotIn(tag, ("script", "link", "iframe", "object", "embed", "base"))
            if name in ("src", "href", "srcset", "data", "action"):
                if value.startswith("#"):  # within the page
                    self.assertIn(value[1:], ids)
                else:
                    self.assertRegex(value, r"^data:image/png;base64,")
        for target in re.findall(r"url\(#([^)]*)\)", page):
            self.assertIn(target, ids)
        self.assertNotRegex(page, r"https?://|url\([^#]|@import|<!--|xmlns")
        self.text = " ".join(" ".join(reader.words).split())
        return self.text

    def add(
        self, name: str, recipe: str = "bf16", rate: float = 1e-3, seed: int = 0, steps: int = 60, losses=None, **more
    ):
        config = more.pop("config", {})
        more.setdefault("probes", False)  # their figures are slow to draw
        losses = fake_sweep.loss_curve(rate, seed, steps) if losses is None else losses
        return fake_sweep.write_run(
            self.folder / name, fake_sweep.settings(recipe, rate, seed, steps, **config), losses, **more
        )

    def figures(self) -> List[str]:
        return sorted(path.name for path in (self.folder / "figures").iterdir())

    def test_an_ordinary_sweep_gets_every_figure_and_both_tables(self) -> None:
        fake_sweep.write_sweep(self.folder, rates=(1e-2, 1e-1), seeds=3, steps=160)
        text = self.report()
        names = ["departures", "difference", "difference_curves", "divergence", "final_loss", "loss_curves", "sharpness", "tensors"]
        self.assertEqual(self.figures(), sorted(f"{name}.{ending}" for name in names for ending in ("png", "svg")))
        self.assertIn("18 runs: 14 done, 4 diverged.", text)
        self.assertEqual(text.count("precipice sweep fake.toml --out fake"), 1)
        self.assertEqual(text.count("3 seeds (0, 1, 2), 160 steps each."), 1)
        self.assertIn("0123abc", text)
        for words in ("avx2", "bf16, fp32", "cells at the cliff depend on the instruction set"):
            self.assertIn(words, text)
        self.assertRegex(text, r"fp8 1e-1 3 1/3 – ")  # no interval without the program
        self.assertRegex(text, r"e8m3 1e-1 3 3/3 – diverged – – –")
        self.assertNotIn("Runs without a result", text)
        self.assertIn("Statistics that are missing no program at /no/program", text)

    def test_the_same_files_give_the_same_page(self) -> None:
        fake_sweep.write_sweep(self.folder, recipes=("bf16",), rates=(1e-2,), seeds=2, steps=40)
        self.report()
        first = (self.folder / "report.html").read_bytes()
        self.report()
        self.assertEqual(first, (self.folder / "report.html").read_bytes())

    def test_one_run_alone(self) -> None:
        self.folder = self.add("../single", probes=True)
        self.assertIn("1 run: 1 done.", self.report())
        self.assertIn("loss_curves.svg", self.figures())

    def test_one_seed_each(self) -> None:
        self.add("a")
        self.add("b", recipe="fp8")
        self.assertIn("1 seed (0)", self.report())

    def test_all_diverged(self) -> None:
        for seed in range(3):
            self.add(
                f"r{seed}",
                seed=seed,
                losses=[4.0, 4.1, math.nan],
                state="diverged",
                diverged_at=2,
                reason="non-finite loss",
                probes=True,
            )
        text = self.report()
        self.assertIn("3 runs: 3 diverged.", text)
        self.assertIn("3/3", text)
        self.assertIn("non-finite loss", text)

    def test_only_nan_from_the_first_step(self) -> None:
        self.add(
            "a", losses=[math.nan] * 3, state="diverged", diverged_at=0, reason="non-finite loss", evals={0: math.nan}
        )
        self.assertIn("1/1", self.report())

    def test_no_step_at_all(self) -> None:
        self.add("a", losses=[], evals={}, state="done", steps=0, probes=True)
        self.assertIn("no steps in run.h5", self.report())

    def test_runs_of_different_lengths_and_states(self) -> None:
        self.add("a", steps=60, probes=True)
        self.add(
            "b",
            seed=1,
            steps=60,
            losses=fake_sweep.loss_curve(1e-3, 1, 20),
            state="interrupted",
            reason="SIGTERM",
            probes=True,
        )
        self.add("c", seed=2, steps=60, losses=fake_sweep.loss_curve(1e-3, 2, 10), state="running")
        self.add(
            "d", seed=3, steps=60, losses=fake_sweep.loss_curve(1e-3, 2, 5), state="running", status={"heartbeat": 5}
        )
        text = self.report()
        self.assertIn("4 runs: 1 done, 1 interrupted, 1 running, 1 stale.", text)
        self.assertIn("b : interrupted after 20 steps: SIGTERM", text)
        self.assertIn("c : running after 10 steps", text)
        self.assertIn("0/1", text)

    def test_broken_and_missing_files_are_named_and_not_fatal(self) -> None:
        self.add("good")
        (self.add("torn", seed=1) / "run.h5").write_bytes(b"\x89HDF\r\n\x1a\n and then nothing")
        (self.add("gone", seed=2, state="failed", reason="killed by signal 9") / "run.h5").unlink()
        (self.add("lost", seed=4) / "run.h5").unlink()
        (self.add("status", seed=3) / "status.json").write_text("{")
        (self.folder / "config-only").mkdir()
        (self.folder / "config-only" / "config.toml").write_text("seed = ")
        (self.folder / "not-a-run").mkdir()
        (self.folder / "sweep.toml").write_text("command = \n")
        text = self.report()
        self.assertIn("6 runs: 3 done, 1 failed, 1 pending, 1 unreadable.", text)
        self.assertIn("torn : unreadable", text)
        self.assertIn("gone : failed after 60 steps: killed by signal 9; no run.h5", text)
        self.assertIn("config-only : pending: no run.h5", text)
        self.assertIn("lost : done after 60 steps: no run.h5", text)
        self.assertRegex(text, r"bf16 1e-3 5 0/2 ")  # the two whole ones
        self.assertNotIn("not-a-run", text)

    def test_the_record_of_the_sweep_says_which_runs_belong_to_it(self) -> None:
        for name in ("aa", "bb", "old"):
            self.add(name)
        (self.folder / "sweep.toml").write_text(
            'schema_version = 1\ncommand = \'precipice sweep "x y"\'\nbase = []\naxes = [\n  "seed",\n]\n'
            + "".join(f'\n[[runs]]\nid = "{name}"\nvalues = {{"seed" = 0}}\n' for name in ("aa", "bb", "cc"))
        )
        text = self.report()
        self.assertIn("3 runs: 2 done, 1 pending.", text)
        self.assertIn("cc : pending: never started", text)
        self.assertIn("since sweep.toml does not list them: old .", text)
        self.assertIn('precipice sweep "x y"', text)

    def test_an_index_of_other_runs_is_called_older_than_the_runs(self) -> None:
        ids = [f"{number:010x}" for number in range(2)]
        for seed, run in enumerate(ids):
            self.add(run, seed=seed, status={"run_file_sha256": 64 * str(seed)})
        record = 'command = "precipice sweep"\n' + "".join(f'[[runs]]\nid = "{run}"\n' for run in ids)
        (self.folder / "sweep.toml").write_text(record)
        digest = hashlib.sha256("".join(f"{run} {64 * str(seed)}\n" for seed, run in enumerate(ids)).encode()).hexdigest()
        for text, stale in ((digest, False), (64 * "0", True)):
            with h5py.File(self.folder / "index.h5", "w") as file:
                file.attrs["runs_sha256"] = text
            self.assertEqual("is older than these runs" in self.report(), stale)
        (self.folder / "index.h5").write_bytes(b"no HDF5")
        self.assertIn("is older than these runs", self.report())

    def test_a_file_without_its_groups(self) -> None:
        with h5py.File(self.add("a", probes=True) / "run.h5", "a") as file:
            for name in ("sharpness", "tensors", "eval", "config"):
                del file[name]
        self.report()
        self.assertNotIn("sharpness.svg", self.figures())

    def test_data_of_another_file_are_not_followed(self) -> None:
        path = self.add("a") / "run.h5"
        (self.folder / "secret").write_bytes(b"12345678" * 60)
        with h5py.File(path, "a") as file:
            del file["metrics/train_loss"]
            file["metrics"].create_dataset("train_loss", (60,), "f8", external=[(str(self.folder / "secret"), 0, 480)])
        self.assertEqual(find_results(self.folder).runs[0].state, "unreadable")
        with h5py.File(path, "a") as file:
            del file["metrics"]
            file["metrics"] = h5py.ExternalLink(str(self.folder / "other.h5"), "/metrics")
        self.assertEqual(len(find_results(self.folder).runs[0].metrics.steps), 0)

    def test_names_that_command_a_terminal_or_that_no_font_has_are_drawn_without_them(self) -> None:
        evil = "bf16'\x1b[31m\u202e\x07日 $x$ & <b>"
        sites = [f"h.{i}\x1b]0;x\x07$\\frac$" for i in range(len(fake_sweep.SITES))]
        with mock.patch.object(fake_sweep, "SITES", sites):
            for rate in (1e-2, 1e-1):
                self.add(f"a{rate:g}", recipe="fp8", rate=rate, probes=True)
                self.add(f"b{rate:g}", recipe=evil, rate=rate, probes=True)
        with h5py.File(self.folder / "x.h5", "w") as file:
            file["xcoordinates"], file["ycoordinates"] = [0.0, 1.0], [0.0, 1.0]
            file["train_loss"] = [[1.0, 2.0], [2.0, 3.0]]
            file.attrs["recipe"] = evil
        (self.folder / "sweep.toml").write_text('command = "precipice \\u001b[2J"\n')
        text = self.report()
        self.assertIn("bf16'[31m日 $x$ & <b>", text)
        self.assertNotRegex((self.folder / "report.html").read_text(encoding="utf-8"), r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")
        self.assertLessEqual({"final_loss.svg", "tensors.svg", "landscapes.svg"}, set(self.figures()))
        for name in (name for name in self.figures() if name.endswith(".svg")):
            self.assertNotRegex((self.folder / "figures" / name).read_text(encoding="utf-8"), r"[\x1b\x07\u202e]")

    def test_a_small_file_that_expands_to_gigabytes_is_refused_unread(self) -> None:
        self.add("a")
        path = self.add("bomb", seed=1) / "run.h5"
        with h5py.File(path, "a") as file:
            for name, kind in (("metrics/train_loss", "f8"), ("metrics/step", "i8")):
                del file[name]
                # Chunks that were never written read as zeros: the file stays small, the data would take a gibibyte.
                file.create_dataset(name, (1 << 27,), kind, chunks=(1 << 20,), compression="gzip")
        self.assertLess(path.stat().st_size, 1 << 20)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        text = self.report()
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 500_000)  # KiB
        self.assertIn("2 runs: 1 done, 1 unreadable.", text)
        self.assertRegex(text, r"bomb : unreadable after 60 steps: run.h5: /metrics/step would take 1073741824 bytes")

    def test_a_run_has_no_more_rows_than_steps(self) -> None:
        path = self.add("a") / "run.h5"
        with h5py.File(path, "a") as file:
            for name in ("metrics/train_loss", "metrics/step"):
                del file[name]
                file[name] = np.arange(62)
        self.assertIn("/metrics/step has 62 rows, and the run has 60 steps", self.report())

    def test_a_hundred_thousand_sites_and_a_huge_attribute_are_refused(self) -> None:
        with h5py.File(self.add("a") / "run.h5", "a") as file:
            fake_sweep.group(file, "attention", [0], {"x": np.zeros((1, 1))}, ["h"])
            del file["attention/site"]
            file["attention"].create_dataset("site", (1 << 17,), h5py.string_dtype())
        with h5py.File(self.add("b", seed=1) / "run.h5", "w", libver="latest") as file:
            file.attrs["commit"] = np.zeros(1 << 18)
        text = self.report()
        self.assertIn("names 131072 sites", text)
        self.assertIn("attribute commit is larger than 1048576 bytes", text)

    def test_untrained_and_skipped_runs_are_counted_apart(self) -> None:
        for seed, state in enumerate(("done", "untrained", "skipped", "diverged")):
            more = {"status": {"skipped_steps": 60}, "reason": "skipped 60 of 60 steps"} if state == "skipped" else {}
            at = 30 if state == "diverged" else -1
            self.add(f"r{seed}", seed=seed, state=state, diverged_at=at, evals={0: 4.1, 60: 4.0}, **more)
        text = self.report()
        self.assertIn("4 runs: 1 done, 1 diverged, 1 untrained, 1 skipped.", text)
        self.assertRegex(text, r"diverged 95% interval untrained skipped median loss .* bf16 1e-3 4 1/4 – 1/4 1/4 ")
        self.assertIn("bf16 1e-3 2 skipped 60 – 4.0000 skipped 60 of 60 steps", text)
        self.assertNotIn("Runs without a result", text)

    def test_an_index_older_than_the_runs_is_said_to_be(self) -> None:
        for name in ("a", "b"):
            self.add(name)
        with h5py.File(self.folder / "index.h5", "w"):
            pass  # of a version that did not store the digest of its runs
        self.assertNotIn("index.h5", self.report())
        os.utime(self.folder / "b" / "run.h5", (time.time() + 5,) * 2)
        self.assertIn("index.h5 is older than these runs and does not hold what this page shows", self.report())

    def test_labels_of_the_sweep_stand_for_values_everywhere(self) -> None:
        long = "mxfp8:element=e5m3,block=16"
        for recipe in ("bf16", long):
            for rate in (1e-2, 1e-1):
                self.add(f"{recipe[:4]}{rate:g}", recipe=recipe, rate=rate)
        (self.folder / "sweep.toml").write_text(
            f'command = "precipice sweep"\n[labels."precision.recipe"]\n"{long}" = "wide MX"\n'
            '[labels."optimizer.lr"]\n"0.1" = "high"\n'
        )
        text = self.report()
        self.assertIn(f"wide MX precision.recipe = {long}", text)
        self.assertIn("wide MX (n = 1)", text)
        self.assertRegex(text, r"wide MX high \(1e-1\) 1 0/1")
        self.assertEqual(text.count(long), 1)

    def test_a_reader_finds_the_way(self) -> None:
        fake_sweep.write_sweep(self.folder, rates=(1e-2, 1e-1), seeds=2, steps=80)
        text = self.report()
        page = (self.folder / "report.html").read_text(encoding="utf-8")
        titles = re.findall(r'<li><a href="#[\w-]+">([^<]+)</a></li>', page)
        self.assertEqual(titles, [html for html in re.findall(r"<h2>([^<]+)</h2>", page)])
        self.assertGreater(len(titles), 5)
        for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
            self.assertRegex(table, r"\A<table>\n<caption>[^<]+</caption>\n<thead><tr>(<th scope=\"col\"[^>]*>[^<]*</th>)+</tr>")
            self.assertEqual(table.count('<th scope="row"'), table.count("<tr>") - 1)
        # Each picture says what it shows, with numbers.
        alts = re.findall(r'role="img" aria-label="([^"]*)"', page)
        self.assertEqual(len(alts), page.count('role="img"'))
        plots = [alt for alt in alts if not alt.startswith("Colours")]
        self.assertGreater(len(plots), 5)
        for alt in plots:
            self.assertRegex(alt, r"\d\.\d|\d of \d|e-\d")
        self.assertTrue(any("e8m3 at 1e-1: 2 of 2 diverged" in alt for alt in alts))
        self.assertRegex(alts[0], r"bf16 2\.\d{3} at 1e-2")
        closed = re.findall(r'<details id="([\w-]+)"', page)
        self.assertEqual(closed, ["figure-departures", "figure-sharpness", "figure-tensors", "runs"])
        self.assertNotIn("<details open", page)

    def test_a_single_run_has_neither_a_curve_of_one_dot_nor_a_map_of_one_cell(self) -> None:
        self.folder = self.add("../single")
        self.report()
        self.assertEqual(self.figures(), ["loss_curves.png", "loss_curves.svg"])

    def test_files_of_figures_say_what_command_made_the_runs(self) -> None:
        fake_sweep.write_sweep(self.folder, recipes=("bf16",), rates=(1e-2,), seeds=1, steps=40)
        self.report()
        for path in (self.folder / "figures").iterdir():
            self.assertIn(b"precipice sweep fake.toml", path.read_bytes(), path)

    def test_text_is_escaped(self) -> None:
        evil = "<script>alert('&\"')</script>"
        self.add("a", state="failed", reason=evil, status={"invocation": evil}, config={"data.path": evil})
        self.add("<b>bold & brave", recipe="bf16<i>", state="failed", reason=evil, status={"invocation": evil})
        self.assertIn(evil, self.report())  # as text

    def test_many_formats_and_rates(self) -> None:
        for index in range(9):
            for rate in (10.0**-p for p in range(1, 2 if index else 6)):
                self.add(f"{index}-{rate:g}", recipe=f"e{index}m1", rate=rate, steps=12)
        text = self.report()
        self.assertIn("loss_curves.svg", self.figures())
        self.assertIn("e8m1 is in every panel", text)

    def test_of_many_rates_some_are_shown(self) -> None:
        for rate in (10.0**-p for p in range(1, 6)):
            self.add(f"{rate:g}", recipe="bf16", rate=rate, steps=12)
        with mock.patch.object(loss_figures, "MAX_PANELS", 4):
            self.assertIn("4 of 5 learning rates are shown", self.report())

    def test_a_rate_of_zero(self) -> None:
        self.add("a", rate=0.0, losses=[4.0] * 20)
        self.report()

    def test_no_run_is_a_usage_error_of_one_line(self) -> None:
        self.folder.mkdir()
        for directory in (self.folder, self.folder / "nowhere"):
            self.assertEqual(self.run_program(str(directory)), 2)
            self.assertRegex(self.errors.getvalue(), r"\Areport: [^\n]+\n\Z")

    def test_out_elsewhere_leaves_the_sweep_as_it_is(self) -> None:
        self.add("a")
        before = sorted(self.folder.rglob("*"))
        other = self.folder.parent / "other"
        self.assertEqual(self.run_program(str(self.folder), "--out", str(other)), 0)
        self.assertTrue((other / "report.html").exists() and (other / "figures/loss_curves.png").exists())
        self.assertEqual(sorted(self.folder.rglob("*")), before)

    def test_an_output_that_cannot_be_written_is_one_line(self) -> None:
        self.add("a")
        blocked = self.folder.parent / "blocked"
        blocked.write_text("a file")
        self.assertEqual(self.run_program(str(self.folder), "--out", str(blocked)), 5)
        self.assertRegex(self.errors.getvalue(), r"\Areport: [^\n]+\n\Z")

    def test_the_table_of_runs_has_a_row_for_each(self) -> None:
        self.add("a", seed=10)
        self.add(
            "b",
            seed=9,
            state="diverged",
            diverged_at=33,
            losses=fake_sweep.loss_curve(1e-3, 1, 40),
            reason="loss risen",
        )
        text = self.report()
        self.assertRegex(text, r"b bf16 1e-3 9 diverged 40 33 – loss risen a bf16 1e-3 10 done 60 – \d\.\d{4}$")
        self.assertEqual(json.loads((self.folder / "a/status.json").read_text())["step"], 60)


if __name__ == "__main__":
    unittest.main()
