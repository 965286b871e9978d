# SPDX-License-Identifier: Apache-2.0
"""scripts/back_again: every sweep of the folders is in its lists, has claims that the program reads, and the page has their verdicts."""

import os
import re
import shlex
import subprocess
import tempfile
import unittest

import support

from precipice.program import PROGRAM

SCRIPT = support.SCRIPTS / "back_again"
FOLDERS = [support.SCRIPTS.parent / "experiments" / name for name in ("back_again", "peers")]
SWEEPS = sorted(path for folder in FOLDERS for path in folder.glob("*.toml"))


class BackAgain(support.ProgramCase):
    def run_script(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [SCRIPT, *words], capture_output=True, text=True, check=False, env={**os.environ, "PRECIPICE": str(PROGRAM)}
        )

    def listed(self, name: str) -> list:
        found = re.search(rf"^{name}=\(([^)]*)\)", SCRIPT.read_text(), re.M)
        assert found
        return found.group(1).split()

    def test_the_lists_are_the_folders(self) -> None:
        names = [name for each in ("studies", "peers", "apart") for name in self.listed(each)]
        self.assertEqual(sorted(names), sorted(path.stem for path in SWEEPS))
        done = self.run_script("--list")
        self.assertEqual([line.split(":")[0] for line in done.stdout.splitlines()], names, done.stderr)
        self.assertNotIn(" 0 claims", done.stdout)

    def commands(self, *words: str) -> dict:
        """The sweep commands that the script would run, by sweep."""
        done = self.run_script("--text", str(SCRIPT), "--out", str(self.folder / "out"), "--dry-run", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse((self.folder / "out").exists())
        lines = [" ".join(shlex.split(line)) for line in done.stdout.splitlines()]
        return {line.split("/")[-1]: line for line in lines}

    def test_a_quick_study_has_fewer_seeds_and_shorter_runs_and_leaves_out_what_takes_long(self) -> None:
        quick = self.commands("--quick")
        self.assertEqual(list(quick), self.listed("studies"))
        self.assertIn("train.steps=1500", quick["sharpness_drift"])
        self.assertIn("seed=range(200,202) --fewer-seeds", quick["sharpness_drift"])
        self.assertIn("seed=range(100,103) --fewer-seeds", quick["ladder"])
        self.assertNotIn("data.path", quick["mx_student"])
        self.assertIn("data.path=", quick["brink"])

    def test_the_whole_study_has_its_peers_and_not_what_takes_hours(self) -> None:
        whole = self.commands()
        self.assertEqual(list(whole), self.listed("studies") + self.listed("peers"))
        self.assertNotIn("seed=", "".join(whole.values()))
        self.assertIn("experiments/peers/scaled_fp8.toml", whole["scaled_fp8"])

    def test_every_sweep_plans_with_its_claims(self) -> None:
        text = self.folder / "text.txt"
        text.write_text("To be, or not to be, that is the question. " * 200)
        for path in SWEEPS:
            with self.subTest(path.stem), tempfile.TemporaryDirectory() as out:
                data = [] if 'source = "teacher"' in path.read_text() else [f"data.path={text}"]
                done = subprocess.run(
                    [PROGRAM, "sweep", path, *data, "--dry-run", "--out", out], capture_output=True, text=True, check=False
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("cannot decide", done.stdout)
                self.assertNotIn("cannot be judged", done.stdout)
                self.assertIn("[[claim]]", path.read_text())

    def test_what_is_wrong_is_said_at_once(self) -> None:
        self.assertIn("--text FILE is missing", self.run_script().stderr)
        done = self.run_script("--text", str(SCRIPT), "--only", "ladders")
        self.assertEqual(done.returncode, 2)
        self.assertIn('there is no sweep "ladders"; there are ladder', done.stderr)


if __name__ == "__main__":
    unittest.main()
