# SPDX-License-Identifier: Apache-2.0
"""The page of scripts/back_again: its sweeps are drawn in processes side by side, and stand on it in their order."""

import os
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

import support  # noqa: F401

from precipice.report.page import sweep_section
from precipice.report.page.claims_page import page_of
from precipice.report.page.sweep_section import SweepSection, side_by_side
from precipice.runs.run_files import ReportError


def pretended(sweep: Path) -> SweepSection:
    """Says which process made it; the sweep `bad` cannot be drawn."""
    if sweep.name == "bad":
        raise ReportError(f"{sweep.name} holds no runs")
    time.sleep(0.2 * (sweep.name == "first"))  # it is done last
    claim = {"verdict": "reproduced" if sweep.name == "first" else "undecided"}
    return SweepSection({"claims": [claim]}, [f"<h3>{sweep.name}</h3>", str(os.getpid())], {"letter": "<path/>", sweep.name: "<g/>"})


class StudyPage(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.sweeps = {name: Path(holder.name) / name for name in ("first", "second", "bad")}
        for name, runs in (("first", 1), ("second", 3)):
            for run in range(runs):
                (self.sweeps[name] / str(run)).mkdir(parents=True)

    def test_sweeps_are_drawn_in_other_processes_and_keep_their_order(self) -> None:
        said = []
        good = {name: self.sweeps[name] for name in ("first", "second")}
        with mock.patch.object(sweep_section, "processors", lambda: 2):
            sections = side_by_side(good, pretended, said.append)
            with self.assertRaisesRegex(ReportError, "bad holds no runs"):
                side_by_side(self.sweeps, pretended, said.append)
        self.assertEqual(list(sections), ["first", "second"])
        self.assertNotIn(str(os.getpid()), [section.figures[1] for section in sections.values()])
        self.assertTrue(any("1 of 2" in text for text in said) and any("2 of 2" in text for text in said), said)
        with mock.patch.object(sweep_section, "processors", lambda: 1):
            alone = side_by_side(good, pretended, said.append)
        for name, section in alone.items():
            self.assertEqual(section.figures[1], str(os.getpid()))
            self.assertEqual((section.claims, section.figures[0], section.definitions),
                             (sections[name].claims, sections[name].figures[0], sections[name].definitions))

    def test_the_page_has_each_section_and_each_definition_once(self) -> None:
        sections = {name: pretended(self.sweeps[name]) for name in ("second", "first")}
        with mock.patch("precipice.report.page.claims_page.claims_section", lambda claims: claims["claims"][0]["verdict"]):
            page = page_of(sections)
        self.assertLess(page.index('<section id="second">'), page.index('<section id="first">'))
        for once in ("<h3>first</h3>", "<h3>second</h3>", "<path/>", 'href="first/report.html"'):
            self.assertEqual(page.count(once), 1, once)
        self.assertEqual(page.count("<g/>"), 2)
        self.assertIn("1 undecided, 1 reproduced", page)


if __name__ == "__main__":
    unittest.main()
