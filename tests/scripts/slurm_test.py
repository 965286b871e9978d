# SPDX-License-Identifier: Apache-2.0
"""A sweep as an array of a real Slurm, which the test starts and ends (tests/cluster): more tasks than slots, two of them
killed. `scripts/test --cluster` has everything else that happens to arrays."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))

from cluster_case import SlurmCase, kill_all, needs_slurm  # noqa: E402
from private_slurm import wait_for  # noqa: E402

SETTINGS = ("train.steps=500", "seed=0..2")


@needs_slurm
class SlurmArray(SlurmCase):
    cores = 3

    def test_an_array_of_which_two_tasks_are_killed(self) -> None:
        array, merge = self.submit(self.script(SETTINGS, 5))
        wait_for("work", lambda: self.has_begun(self.out, 0), 30)
        killed = [task for task, state in self.slurm.states(array).items() if state == "RUNNING"][:2]
        self.assertEqual(len(killed), 2)
        for task in killed:
            kill_all(self.slurm.processes_of(array, task, "precipice"))
        self.slurm.wait(array, 60)
        self.assertEqual({task for task, state in self.slurm.states(array).items() if state == "FAILED"}, set(killed))
        self.assert_merged(merge)
        self.assert_whole(self.out, SETTINGS)


if __name__ == "__main__":
    unittest.main()
