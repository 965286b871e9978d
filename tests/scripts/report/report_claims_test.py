# SPDX-License-Identifier: Apache-2.0
"""The claims of a sweep on its page: every verdict and number is the program's, and a page without claims has no section."""

import contextlib
import io
import json
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import fake_sweep
import support

from precipice.report import __main__ as report
from precipice.report.figures import style
from precipice.program import PROGRAM
from precipice.report.tables.claims_table import claims_section

CLAIMS = """
[[claim]]
id = "{id}"
source = "a <test>"
says = "in words"
metric = "{metric}"
compare = ["e8m3", "{other}"]
at = {{"optimizer.lr" = 1e-1}}
direction = "higher"
n = 4
literal = true
"""


class Claims(support.ProgramCase):
    def page(self, folder: Path) -> str:
        with tempfile.TemporaryDirectory() as out, mock.patch.object(style, "PNG_DPI", 40):
            with mock.patch("sys.argv", ["report", str(folder), "--out", out]), contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(report.main(), 0)
            return (Path(out) / "report.html").read_text(encoding="utf-8")

    def test_the_page_begins_with_the_verdicts_of_the_program(self) -> None:
        folder = self.folder / "claimed"
        fake_sweep.write_program_sweep(folder, ("bf16", "e8m3"), (1e-2, 1e-1), 4, 60)
        self.assertNotIn('id="claims"', self.page(folder))
        claims = [("falls", "diverged", "bf16"), ("absent", "final_loss", "e8m1")]
        text = "".join(CLAIMS.format(id=name, metric=metric, other=other) for name, metric, other in claims)
        registered = "".join(f'[[registered]]\nid = "{name}"\nsha256 = "0"\nlate = false\n' for name, _, _ in claims)
        (folder / "claims.toml").write_text(registered + text)
        done = subprocess.run([PROGRAM, "claims", folder, "--json"], capture_output=True, text=True, check=True)
        judged = {claim["id"]: claim for claim in json.loads(done.stdout)["claims"]}
        self.assertEqual(judged["falls"]["counts"]["only_first"], 3)
        page = self.page(folder)
        self.assertLess(page.index('id="claims"'), page.index('id="table"'))
        self.assertIn(f'<span class="verdict open">{judged["falls"]["verdict"]}</span>', page)
        self.assertIn('<span class="verdict open">cannot be judged</span>', page)
        self.assertIn("no axis has both", page)
        self.assertIn("a &lt;test&gt;", page)
        self.assertIn("changed after its runs began", page)  # the hash is not that of the text
        self.assertNotIn("Statistics that are missing", page)


class Words(unittest.TestCase):
    def test_infinite_and_missing_numbers_are_words(self) -> None:
        claim = {
            "id": "c", "says": "s", "source": "t", "claim": "x", "verdict": "reproduced", "reason": "", "n": 4, "pairs": 4,
            "dropped": 1, "effect": "inf", "interval": [1.5, "inf"], "interval_of": "", "confidence": 0.95, "holm_p": None,
            "test": "rate-ratio", "literal": False, "accelerated": "ten times the rate", "would_need": 12, "changed": False,
            "late": False, "sequential": True, "cpu_seconds": 3.2,
            "wall_seconds": 2.0, "paper": "3 < 4", "claimed": None, "asked": 8, "looked_at": 0,
        }  # fmt: skip
        page = claims_section({"claims": [claim], "command": "precipice claims x"})
        for part in ("1.5 to inf (95 %)", '<span class="verdict yes">reproduced</span>', "would need 12 pairs",
                     "accelerated by ten times the rate", "exploratory", "1 pairs without a number", "4 pairs where it asks for 8", "3.2 s", "3 &lt; 4"):  # fmt: skip
            self.assertIn(part, page)


if __name__ == "__main__":
    unittest.main()
