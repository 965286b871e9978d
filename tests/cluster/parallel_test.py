# SPDX-License-Identifier: Apache-2.0
"""The same sweep by GNU parallel: its processes are killed, its log says which, and the same script goes on."""

import random
import shutil
import subprocess
import time
import unittest
from pathlib import Path

from cluster_case import SweepCase, kill_all, run

SETTINGS = ("train.steps=1000",)


def shards_of(out: Path) -> set:
    """Processes of the program that work at this sweep and are no forks of others."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if b"--shard" in words and str(out).encode() in words and (entry / "comm").read_text().strip() == "precipice":
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return {process for process, parent in found.items() if parent not in found}


@unittest.skipUnless(shutil.which("parallel"), "skipped: no parallel; scripts/setup --cluster")
class Parallel(SweepCase):
    def write(self, name: str) -> Path:
        path = self.folder / f"{name}.sh"
        path.write_text(self.emit("parallel", SETTINGS, name, "--tasks", "4").replace("--jobs 1 --joblog", "--jobs 3 --joblog")
                        .replace("--jobs 2 --joblog", "--jobs 3 --joblog"))  # fmt: skip
        return path

    def test_processes_that_are_killed_cost_nothing(self) -> None:
        out, script, choice = self.folder / "killed", self.write("killed"), random.Random(1)
        kills = 0
        with subprocess.Popen(["bash", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            while running.poll() is None and kills < 3:
                time.sleep(0.7)
                shards = sorted(shards_of(out))
                if shards:
                    kill_all({choice.choice(shards)})
                    kills += 1
        self.assertEqual(running.returncode, kills)  # parallel counts those that failed
        logs = list(out.glob("parallel_*.log"))
        self.assertEqual(len(logs), 1)
        signals = [line.split("\t")[7] for line in logs[0].read_text().splitlines()[1:]]
        self.assertEqual(signals.count("9"), kills)
        again = run("bash", script)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertTrue((out / "index.h5").is_file())
        self.assert_whole(out, SETTINGS)

    def test_more_seeds_are_not_taken_for_done(self) -> None:
        out = self.folder / "grown"
        for seeds in ("0,1", "0..3"):
            script = self.folder / "grown.sh"
            script.write_text(self.emit("parallel", (f"seed={seeds}", "precision.recipe=bf16"), "grown", "--tasks", "2"))
            self.assertEqual(run("bash", script).returncode, 0)
        self.assertEqual(self.count(out, "done", "untrained"), 4)


if __name__ == "__main__":
    unittest.main()
