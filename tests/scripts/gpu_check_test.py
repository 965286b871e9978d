# SPDX-License-Identifier: Apache-2.0
"""scripts/gpu_check: its parts and their limits, and that a part which fails or hangs is reported and stops no other. That it
runs to its end is an integration test."""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from support import SCRIPTS, load_script

gpu_check = load_script("gpu_check")
parts = gpu_check.parts


def passes(context: Any) -> Any:
    return parts.Result("passed", "well", {"number": 7})


def lacks(context: Any) -> Any:
    raise parts.NotThere("no such tool")


def throws(context: Any) -> Any:
    context.keep(half=[1, 2])
    raise ValueError("a reason")


def dies(context: Any) -> Any:
    os.abort()


def hangs(context: Any) -> Any:
    context.keep(half=[3])
    context.run(["sleep", "60"], own=False)


def overruns(context: Any) -> Any:
    context.keep(half=[4])
    os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")  # it goes with the part
    time.sleep(60)


class GpuCheckTest(unittest.TestCase):
    def test_every_part_has_a_limit_and_all_of_them_end_within_nine_minutes_in_eight_files(self) -> None:
        self.assertTrue(all(part.seconds > 0 for part in gpu_check.PARTS))
        self.assertLessEqual(sum(part.seconds for part in gpu_check.PARTS), gpu_check.ALL_SECONDS)
        self.assertEqual(gpu_check.ALL_SECONDS, 9 * 60)
        self.assertLessEqual(len({part.file for part in gpu_check.PARTS}), gpu_check.MOST_FILES)

    def test_list_says_the_parts_their_limits_and_files(self) -> None:
        listed = subprocess.run([sys.executable, str(SCRIPTS / "gpu_check"), "--list"], check=True, capture_output=True, text=True)
        lines = listed.stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines], [part.name for part in gpu_check.PARTS] + ["all"])
        self.assertRegex(listed.stdout, r"equal +35 s +training\.json")
        self.assertIn("540 s", lines[-1])

    def test_a_part_that_fails_dies_or_hangs_is_reported_and_the_others_run(self) -> None:
        table = [gpu_check.Part(name, seconds, file, "", run) for name, seconds, file, run in (
            ("throws", 20, "a.json", throws), ("dies", 20, "a.json", dies), ("overruns", 0.5, "b.json", overruns),
            ("lacks", 20, "b.json", lacks), ("passes", 20, "c.json", passes))]
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
            out = Path(folder) / "results"
            outcomes = gpu_check.run_parts(table, parts.Options(SCRIPTS.parent, True), out)
            first, second, third = (json.loads((out / name).read_text()) for name in ("a.json", "b.json", "c.json"))
            self.assertEqual(sorted(path.name for path in out.iterdir()), ["a.json", "b.json", "c.json"])
        self.assertEqual([outcome.verdict for outcome in outcomes], ["failed", "failed", "failed", "not there", "passed"])
        self.assertEqual(outcomes[0].note, "ValueError: a reason")
        self.assertIn("its process ended with status", outcomes[1].note)
        self.assertEqual(outcomes[2].note, "ran past its limit of 0.5 s")
        self.assertEqual(outcomes[3].note, "no such tool")
        self.assertEqual(first["throws"]["half"], [1, 2])
        self.assertEqual(second["overruns"]["half"], [4])
        self.assertEqual(third["passes"]["number"], 7)
        self.assertIn("2 of 5 parts without a failure", gpu_check.table(outcomes))

    def test_a_command_that_outlives_its_part_is_a_failure_of_that_part(self) -> None:
        table = [gpu_check.Part("hangs", 0.5, "a.json", "", hangs)]
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
            start = time.monotonic()
            outcomes = gpu_check.run_parts(table, parts.Options(SCRIPTS.parent, True), Path(folder) / "results")
        self.assertLess(time.monotonic() - start, 10)
        self.assertTrue(outcomes[0].is_bad())

    def test_codes_of_e4m3_have_the_values_of_the_specification(self) -> None:
        value = gpu_check.parts.gpu_check_torch.e4m3_value
        self.assertEqual([value(code) for code in (0x00, 0x01, 0x07, 0x08, 0x38, 0x7E, 0xFE)],
                         [0.0, 2.0**-9, 7 * 2.0**-9, 2.0**-6, 1.0, 448.0, -448.0])
        codes = gpu_check.parts.gpu_check_torch.directed_operand(32, 1)
        self.assertEqual(len(codes), 128 * 32)
        self.assertFalse({0x7F, 0xFF} & set(codes))

    def test_ncus_table_is_summed_by_kernel(self) -> None:
        text = ('==PROF== noise\n"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"\n'
                '"0","k","gpu__time_duration.sum","ns","1,000"\n"0","k","dram__bytes.sum","byte","64"\n'
                '"1","k","gpu__time_duration.sum","ns","500"\n')
        self.assertEqual(gpu_check.parts.gpu_check_torch.kernels_of_csv(text),
                         {"k": {"gpu__time_duration.sum": 1500.0, "dram__bytes.sum": 64.0, "launches": 2.0}})


if __name__ == "__main__":
    unittest.main()
