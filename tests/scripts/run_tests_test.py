# SPDX-License-Identifier: Apache-2.0
"""What scripts/test counts, with stand-ins for test programs that write Catch2's XML."""

import contextlib
import io
import os
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import support  # noqa: F401  makes run_tests importable

import run_tests

CASE = '<TestCase name="{name}" filename="f.cpp" line="3">{inside}<OverallResult success="{success}"/></TestCase>'
FAILURE = (
    '<Expression success="false" filename="f.cpp" line="4">'
    "<Original>a == 1</Original><Expanded>2 == 1</Expanded></Expression>"
)


def case(name: str, success: bool = True, inside: str = "") -> str:
    return CASE.format(name=name, success=str(success).lower(), inside=inside)


class Counting(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        (self.folder / "python").mkdir()

    def add(self, name: str, report: str, end: str = "exit 0") -> None:
        """A program that writes `report` where -o says and ends with the shell command `end`."""
        program = self.folder / name
        program.write_text(f"#!/bin/sh\ncat > \"$4\" <<'END'\n{report}\nEND\n{end}\n")
        program.chmod(0o755)

    def run_all(self, *arguments: str) -> int:
        self.output = io.StringIO()
        argv = ["run_tests", "--build", str(self.folder), "--python-tests", str(self.folder / "python"), *arguments]
        with mock.patch("sys.argv", argv), contextlib.redirect_stdout(self.output), contextlib.redirect_stderr(
            io.StringIO()
        ):
            return run_tests.main()

    def closing_line(self) -> str:
        lines = self.output.getvalue().splitlines()
        closing = [line for line in lines if re.fullmatch(r"(\w+: ?)?\d+ passed, \d+ failed(, \d+ skipped)?", line)]
        self.assertEqual(closing, lines[-1:])
        return closing[0]

    def test_threads_of_a_program_wait_without_spinning_unless_the_user_says_so(self) -> None:
        self.add("a_tests", f"<Catch>{case('one')}</Catch>", 'test "$OMP_WAIT_POLICY" = passive')
        with mock.patch.dict("os.environ"):
            os.environ.pop("OMP_WAIT_POLICY", None)
            self.assertEqual(self.run_all(), 0)
            os.environ["OMP_WAIT_POLICY"] = "active"
            self.assertEqual(self.run_all(), 1)

    def test_cases_are_counted_over_programs_and_python(self) -> None:
        self.add("a_tests", f"<Catch>{case('one')}{case('two', inside='<Warning> skipped: no GPU </Warning>')}</Catch>")
        self.add("b_tests", f"<Catch><Group>{case('three')}</Group></Catch>")
        (self.folder / "python" / "x_test.py").write_text(
            "import unittest\nclass T(unittest.TestCase):\n"
            "  def test_a(self): pass\n  def test_b(self): self.skipTest('x')\n"
        )
        self.assertEqual(self.run_all(), 0)
        self.assertEqual(self.closing_line(), "3 passed, 0 failed, 2 skipped")

    def test_a_failure_is_shown_with_its_place_and_fails(self) -> None:
        self.add("a_tests", f"<Catch>{case('one')}{case('bad', False, FAILURE)}</Catch>", "exit 1")
        self.assertEqual(self.run_all(), 1)
        self.assertIn("bad (f.cpp:3)", self.output.getvalue())
        self.assertIn("2 == 1", self.output.getvalue())
        self.assertEqual(self.closing_line(), "1 passed, 1 failed, 0 skipped")
        self.assertEqual(self.output.getvalue().splitlines()[-2], "failed: bad (f.cpp:3)")

    def test_two_programs_run_at_once_unless_one_is_asked_for(self) -> None:
        for name, other in (("a", "b"), ("b", "a")):  # each waits for the other's word
            wait = f"touch {self.folder}/{name}; for i in $(seq 20); do test -e {self.folder}/{other} && exit 0; sleep 0.1; done; exit 9"
            self.add(f"{name}_tests", f"<Catch>{case(name)}</Catch>", wait)
        with mock.patch("os.cpu_count", return_value=2):
            self.assertEqual(self.run_all(), 0)
        for name in "ab":
            (self.folder / name).unlink()
        self.assertEqual(self.run_all("--jobs", "1"), 1)

    def test_a_crash_a_hang_and_a_silent_end_fail(self) -> None:
        torn = f"<Catch>{case('one')}<TestCase name=\"last words\">"
        for end, word in (("kill -SEGV $$", "SIGSEGV"), ("sleep 60", "ran past 1 s"), ("exit 0", "exit status 0")):
            with self.subTest(end):
                self.add("a_tests", torn, end)
                self.assertEqual(self.run_all("--limit", "1"), 1)
                self.assertIn(word, self.output.getvalue())
                self.assertIn("last words", self.output.getvalue())
                self.assertEqual(self.closing_line(), "1 passed, 1 failed, 0 skipped")

    def test_a_status_without_a_failed_case_fails(self) -> None:
        self.add("a_tests", f"<Catch>{case('one')}</Catch>", "exit 3")
        self.assertEqual(self.run_all(), 1)
        self.assertEqual(self.closing_line(), "1 passed, 1 failed, 0 skipped")

    def test_broken_python_tests_fail(self) -> None:
        (self.folder / "python" / "x_test.py").write_text("import nothing_of_this_name\n")
        self.assertEqual(self.run_all(), 1)
        self.assertEqual(self.closing_line(), "0 passed, 1 failed, 0 skipped")
        self.assertIn("failed: x_test (unittest.loader._FailedTest", self.output.getvalue().splitlines()[-2])

    def test_no_test_at_all_fails(self) -> None:
        self.assertEqual(self.run_all(), 1)
        self.assertEqual(self.closing_line(), "0 passed, 0 failed, 0 skipped")

    def test_the_cuda_tests_are_asked_for_and_skips_alone_are_no_failure(self) -> None:
        skipped = case("one", inside="<Warning> skipped: no NVIDIA driver is installed </Warning>")
        spec = self.folder / "spec"
        self.add("cuda_tests", f"<Catch>{skipped}</Catch>", f'echo "$5" > {spec}')
        self.add("other_tests", "<Catch></Catch>", "exit 1")
        self.assertEqual(self.run_all("--cuda"), 0)
        self.assertEqual(self.closing_line(), "0 passed, 0 failed, 1 skipped")
        self.assertEqual(spec.read_text(), "[cuda]\n")

    def test_the_tests_of_clusters_are_asked_for_and_run_alone(self) -> None:
        self.add("a_tests", f"<Catch>{case('one')}</Catch>")
        for folder, tests in (("python", "pass"), ("cluster", "self.skipTest('no Slurm')")):
            (self.folder / folder).mkdir(exist_ok=True)
            (self.folder / folder / f"{folder}_test.py").write_text(
                f"import unittest\nclass T(unittest.TestCase):\n  def test_a(self): {tests}\n"
            )
        self.assertEqual(self.run_all("--cluster", "--cluster-tests", str(self.folder / "cluster")), 0)
        self.assertEqual(self.closing_line(), "0 passed, 0 failed, 1 skipped")

    def test_a_filter_that_matches_nothing_in_one_program_is_fine(self) -> None:
        self.add("a_tests", "<Catch></Catch>", "exit 2")
        self.add("b_tests", f"<Catch>{case('one')}</Catch>")
        self.assertEqual(self.run_all("--filter", "one"), 0)
        self.assertEqual(run_tests.catch_spec("[slow]", "a, [b]"), ["*a\\, \\[b]*[slow]"])


if __name__ == "__main__":
    unittest.main()
