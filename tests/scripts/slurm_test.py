# SPDX-License-Identifier: Apache-2.0
"""A sweep as an array of a real Slurm, which the test starts and ends (tests/cluster): more tasks than slots, two of them
killed. `scripts/test --cluster` has everything else that happens to arrays."""

import sys
import unittest
from pathlib import Path
from typing import Dict, Set

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))

from cluster_case import SlurmCase, kill_all, needs_slurm  # noqa: E402
from private_slurm import wait_for  # noqa: E402

SETTINGS = ("train.steps=800", "seed=0..2")


@needs_slurm
class SlurmArray(SlurmCase):
    cores = 3

    def test_an_array_of_which_two_tasks_are_killed(self) -> None:
        array, merge = self.submit(self.script(SETTINGS, 5))
        at_work: Dict[str, Set[int]] = {}  # the processes of the program, by the task whose they are

        def two_are_at_work() -> bool:
            # By their processes, not by what the runs report: a fast machine may end a run between two looks.
            tasks = {task: self.slurm.processes_of(array, task, "precipice") for task in self.slurm.states(array)}
            at_work.update({task: processes for task, processes in tasks.items() if processes})
            return len(at_work) >= 2

        wait_for("two tasks at work", two_are_at_work, 30, 0.02)
        killed = sorted(at_work)[:2]
        for task in killed:
            kill_all(at_work[task])
        self.slurm.wait(array, 60)
        self.assertEqual({task for task, state in self.slurm.states(array).items() if state == "FAILED"}, set(killed))
        self.assert_merged(merge)
        self.assert_whole(self.out, SETTINGS)


if __name__ == "__main__":
    unittest.main()
