# SPDX-License-Identifier: Apache-2.0
"""Runs the Catch2 programs under build/release/tests and the Python tests under tests/scripts, or those under tests/cluster,
and counts test cases.

Catch2 is asked for its XML report, which lists every test case also after a crash; a test case that says
WARN("skipped...") counts as skipped (Catch2 2.13 has no SKIP). Called by scripts/test.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, List, Optional, Tuple

import package_path  # noqa: F401  makes precipice importable
from precipice.safe_files import Folder

ROOT = Path(__file__).resolve().parent.parent
CLUSTER = "[cluster]"  # no tag of Catch2's: the Python tests of tests/cluster


@dataclass
class Outcome:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    complaints: List[str] = field(default_factory=list)

    def fail(self, complaint: str) -> None:
        self.failed += 1
        self.complaints.append(complaint)

    def failures(self) -> List[str]:
        """A line for each: a test case of Catch2's with its place, or a test of Python's with its class."""
        return [
            line
            for complaint in self.complaints
            for line in re.findall(r"^(?:FAIL|ERROR): (.*)", complaint, re.MULTILINE) or complaint.splitlines()[:1]
        ]


@dataclass
class Job:
    name: str
    run: Callable[[float, Path], Outcome]  # of its limit in seconds and a folder of its own


def run_limited(command: List[str], limit: float, log: Path) -> Optional[int]:
    """Exit status, or None if the limit ended it; its whole process group goes with it. Output goes to `log`."""
    # OpenMP threads that spin at a barrier starve each other when other programs use the cores as well.
    environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
    with Folder(log.parent) as folder, folder.create(log.name) as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def describe_exit(status: Optional[int], limit: float) -> str:
    if status is None:
        return f"ran past {limit:g} s"
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"exit status {status}"


def describe_case(case: ElementTree.Element) -> str:
    """Name and place of a failed test case, then each failed assertion: as written, as evaluated, what was thrown."""
    lines = [f"{case.get('name')} ({case.get('filename')}:{case.get('line')})"]
    for element in case.iter():
        if element.tag == "Expression" and element.get("success") != "true":
            lines.append(f"  {element.get('filename')}:{element.get('line')}")
            lines += ["    " + " ".join((part.text or "").split()) for part in element]
        elif element.tag == "Info":
            lines.append("    " + (element.text or "").strip().replace("\n", "\n    "))
        elif element.tag in ("Failure", "Exception", "FatalErrorCondition") and element.get("filename"):
            lines.append(f"  {element.get('filename')}:{element.get('line')}")
            lines.append(f"    {element.tag}: {(element.text or '').strip()}")
    return "\n".join(lines)


def was_skipped(case: ElementTree.Element, result: ElementTree.Element) -> bool:
    said_so = any((warning.text or "").strip().lower().startswith("skipped") for warning in case.iter("Warning"))
    return said_so or int(result.get("skips") or 0) > 0


def read_catch_report(report: Path) -> Tuple[Outcome, str]:
    """Counts, and where the report stops short of its end ("" if it is whole)."""
    outcome = Outcome()
    running = ""
    try:
        for event, element in ElementTree.iterparse(str(report), events=("start", "end")):
            if element.tag != "TestCase":
                continue
            if event == "start":
                running = element.get("name", "")
                continue
            running = ""
            result = element.find("OverallResult")
            if result is None or result.get("success") != "true":
                outcome.fail(describe_case(element))
            elif was_skipped(element, result):
                outcome.skipped += 1
            else:
                outcome.passed += 1
    except (ElementTree.ParseError, FileNotFoundError):
        return outcome, running or "its report"
    return outcome, ""


def run_catch(program: Path, spec: List[str], limit: float, folder: Path) -> Outcome:
    report, log = folder / "report.xml", folder / "log"
    report.unlink(missing_ok=True)
    status = run_limited([str(program), "-r", "xml", "-o", str(report), *spec], limit, log)
    outcome, stopped_in = read_catch_report(report)
    ended_by_itself = status is not None and status >= 0 and not stopped_in
    # A positive status is the number of failures, or says that no test matched the spec.
    nothing_matched = bool(spec) and outcome.passed + outcome.failed + outcome.skipped == 0
    if not ended_by_itself or (status != 0 and outcome.failed == 0 and not nothing_matched):
        tail = log.read_text(errors="replace")[-2000:].strip()
        where = f" in {stopped_in}" if stopped_in else ""
        outcome.fail(f"{program.name}: {describe_exit(status, limit)}{where}" + (f"\n{tail}" if tail else ""))
    return outcome


def run_unittest(folder_of_tests: Path, filter_text: str, limit: float, folder: Path) -> Outcome:
    log = folder / "log"
    command = [sys.executable, "-m", "unittest", "discover", "-s", str(folder_of_tests), "-p", "*_test.py"]
    status = run_limited(command + (["-k", filter_text] if filter_text else []), limit, log)
    text = log.read_text(errors="replace")
    ran = re.search(r"^Ran (\d+) tests?", text, re.MULTILINE)
    counts = {
        name: int(number)
        for name, number in re.findall(
            r"(failures|errors|skipped|unexpected successes)=(\d+)", text[ran.end() :] if ran else ""
        )
    }
    skipped = counts.pop("skipped", 0)
    failed = sum(counts.values())
    if ran is None or (failed == 0 and status not in (0, 5)):  # 5: no test matched
        failed = max(failed, 1)
        text = f"{text}\n{describe_exit(status, limit)}"
    passed = max(int(ran.group(1)) - failed - skipped, 0) if ran else 0
    return Outcome(passed, failed, skipped, [text.strip()] if failed else [])


def catch_spec(tag: str, filter_text: str) -> List[str]:
    name = "*" + re.sub(r"([\\,\[])", r"\\\1", filter_text) + "*" if filter_text else ""
    return [name + tag] if name + tag else []


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/test")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--slow", dest="tag", action="store_const", const="[slow]", default="")
    which.add_argument("--exhaustive", dest="tag", action="store_const", const="[exhaustive]")
    which.add_argument("--cuda", dest="tag", action="store_const", const="[cuda]")
    which.add_argument("--cluster", dest="tag", action="store_const", const=CLUSTER)
    parser.add_argument("--filter", default="")
    parser.add_argument("--limit", type=float)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release/tests", help=argparse.SUPPRESS)
    parser.add_argument("--python-tests", type=Path, default=ROOT / "tests/scripts", help=argparse.SUPPRESS)
    parser.add_argument("--cluster-tests", type=Path, default=ROOT / "tests/cluster", help=argparse.SUPPRESS)
    return parser.parse_args()


def jobs_of(arguments: argparse.Namespace) -> List[Job]:
    """The Python tests come first: they take longest, and what comes last may run alone."""
    jobs = []
    tests = {"": arguments.python_tests, CLUSTER: arguments.cluster_tests}.get(arguments.tag)
    if tests:
        jobs.append(Job(f"tests/{tests.name}", lambda limit, folder: run_unittest(tests, arguments.filter, limit, folder)))
    spec = catch_spec(arguments.tag, arguments.filter)
    for program in sorted(arguments.build.glob("*_tests")):
        if os.access(program, os.X_OK) and arguments.tag != CLUSTER:
            jobs.append(Job(program.name, lambda limit, folder, p=program: run_catch(p, spec, limit, folder)))
    return jobs


def run_job(job: Job, limit: float) -> Outcome:
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = job.run(limit, Path(folder))
    cases = outcome.passed + outcome.failed + outcome.skipped
    remarks = [f"{n} {what}" for n, what in ((outcome.failed, "FAILED"), (outcome.skipped, "skipped")) if n]
    lines = [f"{job.name:<20} {cases:4} tests in {time.monotonic() - start:6.1f} s  {', '.join(remarks) or 'ok'}"]
    lines += ["    " + line for complaint in outcome.complaints for line in complaint.splitlines()]
    print("\n".join(lines) + "\n", end="", flush=True)  # in one piece: others print as well
    return outcome


def main() -> int:
    arguments = parse_arguments()
    limit = arguments.limit or (7200 if arguments.tag else 900)
    # Most of the default tests keep one core busy, and a test that measures is less disturbed by one other than by many.
    jobs = arguments.jobs or (1 if arguments.tag else min(2, os.cpu_count() or 1))
    total = Outcome()
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(lambda job: run_job(job, limit), jobs_of(arguments)))
    for outcome in outcomes:
        total.passed += outcome.passed
        total.failed += outcome.failed
        total.skipped += outcome.skipped
    # Once more where a reader of a long log looks first.
    for failure in [failure for outcome in outcomes for failure in outcome.failures()]:
        print("failed: " + failure)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    if total.passed + total.failed + total.skipped == 0:
        print("test: no test was run", file=sys.stderr)
        return 1
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
