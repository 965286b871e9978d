# SPDX-License-Identifier: Apache-2.0
"""What a directory holds: the runs of a sweep as its sweep.toml lists them, run directories without one, or one run."""

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

import h5py

from precipice.html_text import clean
from precipice.runs.datasets import as_plain
from precipice.runs.locate import is_there, run_file
from precipice.runs.run_files import RUN_FILES, ReportError, Run, read_run
from precipice.safe_files import open_regular, regular

MAX_RECORD_BYTES = 64 << 20  # as experiments/sweep/sweep_record.cpp
QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*')"""
LABELS_HEADER = re.compile(rf"\[labels\.({QUOTED}|[\w.-]+)\]\s*(?:#.*)?")
LABEL_LINE = re.compile(rf"({QUOTED}|[\w-]+)\s*=\s*({QUOTED})\s*(?:#.*)?")


@dataclass
class SweepRecord:
    """What sweep.toml says (experiments/sweep/sweep_record.h)."""

    command: str = ""
    earlier_commands: List[str] = field(default_factory=list)
    axes: List[str] = field(default_factory=list)
    ids: List[str] = field(default_factory=list)
    labels: Dict[str, Dict[str, str]] = field(default_factory=dict)  # by key, by value as text


@dataclass
class Results:
    directory: Path
    runs: List[Run]
    command: str = ""
    record: SweepRecord = field(default_factory=SweepRecord)
    stale_index: bool = False  # index.h5 was made from other runs than these
    left_out: List[str] = field(default_factory=list)  # run directories of an earlier sweep in the same place
    parts: List["Results"] = field(default_factory=list)  # of each directory, where there are several (joined.py)

    @property
    def name(self) -> str:
        return ", ".join(part.name for part in self.parts) or self.directory.resolve().name

    @property
    def directories(self) -> List[Path]:
        return [part.directory for part in self.parts] or [self.directory]


def find_results(
    directory: Path, say: Callable[[str], None] = lambda text: None, groups: Optional[Sequence[str]] = None
) -> Results:
    """`say` is told what is being read. `groups`: as read_run has them."""
    if not directory.is_dir():
        raise ReportError(f"{directory} is no directory")
    if is_run(directory):
        runs = [read_run(directory, groups)]
        return Results(directory, runs, common_invocation(runs))
    folders = sorted(child.name for child in directory.iterdir() if not child.name.startswith(".") and is_run(child))
    record = read_sweep_record(directory / "sweep.toml")
    # A listed run without a directory was never started: it is named, too.
    chosen = record.ids or folders
    if not chosen:
        raise ReportError(f"{directory} holds no runs: expected run directories with run.h5 in them")
    runs = []
    for number, name in enumerate(chosen, start=1):
        say(f"reading run {number} of {len(chosen)}: {name}")
        runs.append(read_run(directory / name, groups))
    return Results(
        directory,
        runs,
        record.command or common_invocation(runs),
        record,
        is_stale(directory / "index.h5", runs),
        sorted(set(folders) - set(chosen)),
    )


def is_stale(index: Path, runs: List[Run]) -> bool:
    """Whether an index.h5 that is there was made from other runs, or other run.h5 files (experiments/sweep/index_state.h); of one
    without the digest of its runs, whether a run.h5 is younger."""
    if not index.exists():
        return False
    lines = sorted((run.id, str(run.status.get("run_file_sha256", ""))) for run in runs)
    digest = sha256("".join(f"{run} {hash_}\n" for run, hash_ in lines).encode()).hexdigest()
    try:
        with h5py.File(regular(index), "r", locking=False) as file:
            written = file.attrs.get("runs_sha256")
        return bool(as_plain(written) != digest) if written is not None else has_younger(index, runs)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError):
        return True


def has_younger(index: Path, runs: List[Run]) -> bool:
    files = [run_file(run.directory) for run in runs]
    return any(path.stat().st_mtime_ns > index.stat().st_mtime_ns for path in files if path.exists())


def is_run(directory: Path) -> bool:
    return any(is_there(directory / name) for name in RUN_FILES)


def read_sweep_record(path: Path) -> SweepRecord:
    """By its lines, as the program writes them; empty if there is none."""
    record = SweepRecord()
    try:
        with open_regular(path) as file:
            text = file.read(MAX_RECORD_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return record
    command = re.search(r"^command = ([\"'].*)$", text, re.MULTILINE)
    record.command = unquoted(command.group(1).rstrip()) if command else ""
    record.axes, record.earlier_commands = text_array(text, "axes"), text_array(text, "earlier_commands")
    record.ids = re.findall(r'^id = "([\w-]+)"$', text, re.MULTILINE)
    record.labels = read_labels(text)
    return record


def text_array(text: str, key: str) -> List[str]:
    found = re.search(rf"^{key} = \[((?:[^\]\"']|{QUOTED})*)\]", text, re.MULTILINE)
    return [unquoted(quoted) for quoted in re.findall(QUOTED, found.group(1))] if found else []


def read_labels(text: str) -> Dict[str, Dict[str, str]]:
    """The tables [labels."KEY"] with lines "value" = "label"."""
    labels: Dict[str, Dict[str, str]] = {}
    current = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            header = LABELS_HEADER.fullmatch(line)
            current = labels.setdefault(unquoted(header.group(1)), {}) if header else None
        elif current is not None:
            entry = LABEL_LINE.fullmatch(line)
            if entry:
                current[unquoted(entry.group(1))] = clean(unquoted(entry.group(2)))
    return labels


def unquoted(text: str) -> str:
    """Of TOML's two kinds of one-line strings; a bare word is itself."""
    if text.startswith("'"):
        return text[1:-1]
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))  # the escapes of TOML's basic strings are those of JSON, but for the longest
    except ValueError:
        return text[1:-1]


def common_invocation(runs: List[Run]) -> str:
    invocations = {str(run.status["invocation"]) for run in runs if run.status.get("invocation")}
    return invocations.pop() if len(invocations) == 1 else ""
