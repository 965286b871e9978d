# SPDX-License-Identifier: Apache-2.0
"""Sweeps as arrays of a real Slurm (private_slurm.py), and what happens to arrays: after each of it every run was done
once, with the bytes of a sweep on this machine alone."""

import os
import signal
import unittest

from cluster_case import PROGRAM, SlurmCase, kill_all, needs_slurm
from private_slurm import wait_for

SHORT = ("train.steps=300",)
# Long enough that a fast machine, too, is seen at work: status.json is written every two seconds.
LONG = ("train.steps=10000",)


@needs_slurm
class SlurmArrays(SlurmCase):
    def assert_done(self, array: str, merge: str, settings: tuple, seconds: float = 120) -> None:
        self.slurm.wait(array, seconds)
        self.assert_merged(merge)
        self.assert_whole(self.out, settings)

    def wait_for_work(self, steps: int = 100) -> None:
        wait_for("a run at work", lambda: self.has_begun(self.out, steps), 60)

    def test_a_killed_node_daemon(self) -> None:
        array, merge = self.submit(self.script(LONG, 4))
        self.wait_for_work()
        self.slurm.kill("slurmd")
        wait_for("a node that is down", lambda: self.slurm.node_state() == "DOWN", 60, 1)
        # Its tasks go on without it until it is back and told to end them.
        self.slurm.start("slurmd")
        wait_for("a node that is up", lambda: self.slurm.node_state() in ("IDLE", "MIXED", "ALLOCATED"), 60, 1)
        self.assert_done(array, merge, LONG)

    def test_a_killed_task(self) -> None:
        array, merge = self.submit(self.script(LONG, 3))
        self.wait_for_work()
        kill_all(self.slurm.processes_of(array, "1", "precipice"))
        self.assert_done(array, merge, LONG)
        self.assertEqual(self.slurm.tasks(array)["1"]["ExitCode"], "137:0")

    def test_a_killed_step(self) -> None:
        array, merge = self.submit(self.script(LONG, 3))
        self.wait_for_work()
        # Its daemon, its shell and its program: Slurm says that the task runs until the node reports what it has.
        job = self.slurm.tasks(array)["1"]["JobId"]
        daemons = {each for each in self.slurm.processes("slurmstepd") if self.has_argument(each, f"[{job}.batch]")}
        self.assertEqual(len(daemons), 1)
        kill_all(daemons | self.slurm.processes_of(array, "1"))
        wait_for("the others to do its work", lambda: self.count(self.out, "done", "untrained") == 8, 120, 0.5)
        self.assertEqual(self.slurm.states(array)["1"], "RUNNING")
        os.kill(self.slurm.daemons["slurmd"].pid, signal.SIGHUP)
        self.assert_done(array, merge, LONG)

    @staticmethod
    def has_argument(process: int, text: str) -> bool:
        try:
            with open(f"/proc/{process}/cmdline", "rb") as words:
                return text.encode() in words.read()
        except OSError:
            return False

    def test_preemption(self) -> None:
        array, merge = self.submit(self.script(LONG, 3))
        self.wait_for_work()
        urgent = self.slurm.call("sbatch", "--parsable", "--partition=high", "--cpus-per-task=4", "--output=/dev/null",
                                 "--wrap", "sleep 2").strip()  # fmt: skip
        self.slurm.wait(urgent, 60)
        self.assertEqual(set(self.slurm.states(urgent).values()), {"COMPLETED"})
        self.assertGreater(sum(int(task["Restarts"]) for task in self.slurm.tasks(array).values()), 0)
        self.assertIn("DUE TO PREEMPTION", self.log(array))
        self.assert_done(array, merge, LONG)

    def test_the_limit_of_time(self) -> None:
        # Warned 45 s before the end of its one minute, give or take half a minute.
        longer = ("train.steps=60000", "seed=0", "precision.recipe=bf16,fp8")
        script = self.script(longer, 1, ("#SBATCH --time=60", "#SBATCH --time=1"), ("USR2@120", "USR2@45"))
        array, merge = self.submit(script)
        self.assert_done(array, merge, longer, 400)
        self.assertGreater(int(self.slurm.tasks(array)["0"]["Restarts"]), 0)

    def test_a_budget_that_is_used(self) -> None:
        array, merge = self.submit(self.script(LONG, 1, ("--for 55m", "--for 5s")))
        self.assert_done(array, merge, LONG)
        self.assertGreater(int(self.slurm.tasks(array)["0"]["Restarts"]), 0)

    def test_one_failing_run(self) -> None:
        text = self.folder / "text.txt"
        text.write_text("To be, or not to be, that is the question. " * 200)
        settings = (*SHORT, "data.source=text", f"data.path={text},{self.folder}/none", "precision.recipe=bf16")
        array, merge = self.submit(self.script(settings, 2))
        self.assert_done(array, merge, settings)
        self.assertEqual(self.count(self.out, "failed"), 4)
        self.assertIn("3:0", {task["ExitCode"] for task in self.slurm.tasks(array).values()})

    def test_a_task_that_never_starts(self) -> None:
        array, merge = self.submit(self.script(SHORT, 6))
        self.slurm.call("scontrol", "hold", f"{array}_5")
        wait_for("the others to do its work", lambda: self.count(self.out, "done", "untrained") == 8, 60, 0.5)
        self.assertEqual(self.slurm.tasks(array)["5"]["JobState"], "PENDING")
        self.assertEqual(set(self.slurm.states(merge).values()), {"PENDING"})
        self.slurm.call("scancel", f"{array}_5")
        self.assert_done(array, merge, SHORT)

    def test_two_arrays_on_one_directory(self) -> None:
        script = self.script(LONG, 3)
        (first, merge), (second, again) = self.submit(script), self.submit(script)
        self.slurm.wait(first, 120)
        self.assert_merged(merge)
        self.assert_done(second, again, LONG)

    def test_resubmission_of_what_is_missing(self) -> None:
        array, merge = self.submit(self.script(LONG, 2))
        wait_for("a finished run", lambda: self.count(self.out, "done", "untrained") >= 2, 60)
        self.slurm.call("scancel", array, merge)
        self.slurm.wait(array, 60)
        finished = {each["id"] for each in self.runs(self.out) if each["state"] in ("done", "untrained")}
        self.assertLess(len(finished), 8)
        before = {each: (self.out / each / "run.h5").stat() for each in finished}
        script = self.script(LONG, 2)
        self.assertIn(f"# {8 - len(finished)} runs of a sweep", script.read_text())
        self.assert_done(*self.submit(script), LONG)
        for each, stat in before.items():
            after = (self.out / each / "run.h5").stat()
            self.assertEqual((after.st_ino, after.st_mtime_ns), (stat.st_ino, stat.st_mtime_ns))

    def test_submission_by_the_program(self) -> None:
        said = self.slurm.call(PROGRAM, "sweep", self.folder / "tiny.toml", *SHORT, "--slurm", "--tasks", "2", "--out", self.out)
        self.assertRegex(said, r"^job \d+: 2 tasks\. Job \d+ merges and reports after them\.\nFollow it:  squeue")
        array, merge = self.numbers(said)
        self.assert_done(array, merge, SHORT)


if __name__ == "__main__":
    unittest.main()
