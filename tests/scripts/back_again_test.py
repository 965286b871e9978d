# SPDX-License-Identifier: Apache-2.0
"""scripts/back_again: every sweep of the folder is in its list, has claims that the program reads, and the page has their verdicts."""

import os
import re
import subprocess
import tempfile
import unittest

import support

from precipice.program import PROGRAM

SCRIPT = support.SCRIPTS / "back_again"
FOLDER = support.SCRIPTS.parent / "experiments/back_again"


class BackAgain(support.ProgramCase):
    def run_script(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [SCRIPT, *words], capture_output=True, text=True, check=False, env={**os.environ, "PRECIPICE": str(PROGRAM)}
        )

    def test_the_list_is_the_folder(self) -> None:
        listed = re.search(r"^studies=\(([^)]*)\)", SCRIPT.read_text(), re.M)
        assert listed
        self.assertEqual(sorted(listed.group(1).split()), sorted(path.stem for path in FOLDER.glob("*.toml")))

    def test_every_sweep_plans_with_its_claims(self) -> None:
        text = self.folder / "text.txt"
        text.write_text("To be, or not to be, that is the question. " * 200)
        for path in FOLDER.glob("*.toml"):
            with self.subTest(path.stem), tempfile.TemporaryDirectory() as out:
                done = subprocess.run(
                    [PROGRAM, "sweep", path, f"data.path={text}", "--dry-run", "--out", out],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("cannot decide", done.stdout)
                self.assertIn("[[claim]]", path.read_text())

    def test_what_is_wrong_is_said_at_once(self) -> None:
        self.assertIn("--text FILE is missing", self.run_script().stderr)
        done = self.run_script("--text", str(SCRIPT), "--only", "ladders")
        self.assertEqual(done.returncode, 2)
        self.assertIn('there is no sweep "ladders"; there are ladder', done.stderr)


if __name__ == "__main__":
    unittest.main()
