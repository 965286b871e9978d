# SPDX-License-Identifier: Apache-2.0
"""Statistics with claims, labels and warnings of a sweep: the JSON of `precipice merge`, `label` and `warn`. Numbers are
computed there, once; the report draws them. Where the program is missing or refuses, the page says so instead."""

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

from precipice.program import is_program, path_argument, program_path
from precipice.report.grouping import Sweep
from precipice.report.names import renamed

TIME_LIMIT = 600  # seconds, of all commands together
COMMANDS = {
    "statistics": ("merge", "--no-index", "--json"),
    "warnings": ("warn", "--json"),
}
LABELS = "--labels=all"  # of merge, which reads the runs once for both
ANSWERS = (*COMMANDS, "labels")


@dataclass
class Analysis:
    statistics: Dict[str, Any] = field(default_factory=dict)
    labels: Dict[str, Any] = field(default_factory=dict)
    warnings: Dict[str, Any] = field(default_factory=dict)
    claims: Dict[str, Any] = field(default_factory=dict)
    problems: List[str] = field(default_factory=list)


class Analyses:
    """The commands, started side by side: their answers are read when the runs have been."""

    def __init__(self, directory: Path, axes: Sequence[str] = (), answers: Sequence[str] = ANSWERS):
        """`axes`: what the sweep varies. Warnings are compared within equal settings, seeds apart: otherwise they would
        say only that settings differ. `answers`: those of ANSWERS that are wanted; labels come with statistics."""
        program = str(program_path())
        self.analysis = Analysis()
        self.processes: Dict[str, subprocess.Popen] = {}
        self.until = time.monotonic() + TIME_LIMIT
        if not is_program(Path(program)):
            self.analysis.problems.append(f"no program at {program}: build it, or name it in PRECIPICE")
            return
        settings = [axis for axis in axes if axis != "seed" and not axis.endswith(".seed")]
        for name, (command, *options) in COMMANDS.items():
            if name not in answers:
                continue
            if name == "statistics" and "labels" in answers:
                options.append(LABELS)
            within = [f"--within={axis}" for axis in settings] if command == "warn" else []
            arguments = [program, command, path_argument(directory), *options, *within]
            try:
                self.processes[name] = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            except OSError as error:
                self.complain(command, error)

    def __enter__(self) -> "Analyses":
        return self

    def __exit__(self, *error: Any) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.communicate()

    def wait(self, say: Callable[[str], None]) -> Analysis:
        for name, process in self.processes.items():
            command = COMMANDS[name][0]
            say(f"waiting for precipice {command}")
            try:
                setattr(self.analysis, name, self.answer(process))
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                self.complain(command, error)
        self.analysis.claims = self.analysis.statistics.pop("claims", {})
        self.analysis.labels = self.analysis.statistics.pop("labels", {})
        return self.analysis

    def answer(self, process: subprocess.Popen) -> Dict[str, Any]:
        try:
            answer, errors = process.communicate(timeout=max(self.until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        if process.returncode != 0:
            raise ValueError(errors.strip() or f"ended with {process.returncode}")
        return json.loads(answer)

    def complain(self, command: str, error: Exception) -> None:
        self.analysis.problems.append(f"precipice {command}: {' '.join(str(error).split())[:300]}")


def adopt_names(analysis: Analysis, sweep: Sweep) -> None:
    """Formats by the labels of the figures, which tell them apart as the program does but may write them otherwise, and
    sentences in the figures' names."""
    statistics = analysis.statistics
    lists = [statistics.get("cells", []), statistics.get("lr_sensitivity", [])]
    lists += statistics.get("comparisons", {}).values()
    shown = {entry["format"]: sweep.name(sweep.label_of_program(entry["format"])) for each in lists for entry in each}
    if "reference" in statistics:
        reference = statistics["reference"]
        shown[reference] = statistics["reference"] = sweep.name(sweep.label_of_program(reference))
    for each in lists:
        for entry in each:
            entry["format"] = sweep.label_of_program(entry["format"])
            if "reference" in entry:
                entry["reference"] = sweep.label_of_program(entry["reference"])
            if "sentence" in entry:
                entry["sentence"] = renamed(entry["sentence"], shown)
