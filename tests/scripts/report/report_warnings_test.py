# SPDX-License-Identifier: Apache-2.0
"""Early warning on the page: within equal settings, the best first, the rest folded."""

import re
import unittest
from pathlib import Path
from unittest import mock

import support  # noqa: F401  makes the package importable

from precipice.report import analysis
from precipice.report.tables.analysis_tables import warnings


def signal(name: str, auc: float, verdict: str) -> dict:
    against = {"verdict": "-", "baseline": None, "difference": None, "interval": [None, None]}
    return {"signal": name, "horizon": 10, "cases": 5, "controls": 6, "auc": auc, "interval": [auc - 0.1, auc + 0.1],
            "holm_p": 0.01, "average_precision": auc, "base_rate": 0.45, "verdict": verdict, "against_baseline": against}


def report_of(signals: list) -> dict:
    return {"signals": signals, "cases": 5, "controls": 6, "rule": "divergence", "within": ["precision.recipe", "optimizer.lr"],
            "alarms": [], "absent": [], "notes": []}


class Warnings(unittest.TestCase):
    def test_five_signals_stand_open_the_best_first_and_the_others_are_folded(self) -> None:
        signals = [signal(f"undecided {i}", 0.55 + 0.04 * i, "undecided") for i in range(10)]
        signals += [signal("warns a little", 0.7, "warns"), signal("warns well", 0.9, "warns"), signal("falls", 0.1, "inverse")]
        page = warnings(report_of(signals))
        names = re.findall(r'<th scope="row">([^<]*)</th>', page)
        self.assertEqual(names[:5], ["warns well", "warns a little", "falls", "undecided 9", "undecided 8"])
        self.assertEqual(len(names), 13)
        inside = page[page.index("<details>") :]
        self.assertIn("<summary>8 more rows: other signals and horizons</summary>", inside)
        self.assertEqual(len(re.findall(r'<th scope="row">', inside)), 8)
        self.assertIn("compared only where they agree in recipe and lr", page)

    def test_a_signal_stands_open_once_at_its_best_horizon_in_the_order_of_the_program(self) -> None:
        signals = [signal("a", 0.6, "warns"), {**signal("a", 0.8, "warns"), "horizon": 50}, signal("b", 0.9, "warns")]
        report = {**report_of(signals), "best": ["a", "b"], "untrained": 2, "skipped": 0}
        page = warnings(report)
        shown = page[: page.index("<details>")]
        self.assertEqual(re.findall(r'<th scope="row">([^<]*)</th><td[^>]*>(\d+)', shown), [("a", "50"), ("b", "10")])
        self.assertIn("6 did not (of them 2 untrained), compared", page)

    def test_few_signals_fold_nothing(self) -> None:
        self.assertNotIn("<details>", warnings(report_of([signal("one", 0.9, "warns")])))

    def test_runs_are_compared_within_all_settings_but_the_seeds(self) -> None:
        with mock.patch.object(analysis.subprocess, "Popen") as popen, mock.patch.dict("os.environ", {"PRECIPICE": "/bin/true"}):
            analysis.Analyses(Path("-odd"), ["precision.recipe", "optimizer.lr", "seed", "data.seed"])
        commands = {call.args[0][1]: call.args[0] for call in popen.call_args_list}
        self.assertEqual(commands["warn"][2:], ["./-odd", "--json", "--within=precision.recipe", "--within=optimizer.lr"])
        self.assertEqual(commands["merge"][2], "./-odd")


if __name__ == "__main__":
    unittest.main()
