# SPDX-License-Identifier: Apache-2.0
"""What a directory holds: the runs of a sweep as its sweep.toml lists them, run directories without one, or one run."""

import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import List, Tuple

import h5py

from report_lib.config_text import parse_value
from report_lib.run_files import RUN_FILES, ReportError, Run, as_plain, read_run, read_text


@dataclass
class Results:
    directory: Path
    runs: List[Run]
    command: str = ""
    left_out: List[str] = field(default_factory=list)  # run directories of an earlier sweep in the same place

    stale_index: bool = False  # index.h5 was made from other runs than these

    @property
    def name(self) -> str:
        return self.directory.resolve().name


def find_results(directory: Path) -> Results:
    if not directory.is_dir():
        raise ReportError(f"{directory} is no directory")
    if is_run(directory):
        runs = [read_run(directory)]
        return Results(directory, runs, common_invocation(runs))
    folders = sorted(child.name for child in directory.iterdir() if not child.name.startswith(".") and is_run(child))
    command, listed = read_sweep_record(directory / "sweep.toml")
    # A listed run without a directory was never started: it is named, too.
    chosen = listed or folders
    if not chosen:
        raise ReportError(f"{directory} holds no runs: expected run directories with run.h5 in them")
    runs = [read_run(directory / name) for name in chosen]
    left_out = sorted(set(folders) - set(chosen))
    return Results(directory, runs, command or common_invocation(runs), left_out, is_stale(directory / "index.h5", runs))


def is_run(directory: Path) -> bool:
    return directory.is_dir() and any((directory / name).exists() for name in RUN_FILES)


def read_sweep_record(path: Path) -> Tuple[str, List[str]]:
    """(command, run ids) of experiments/sweep_record.h, each on a line of its own; ("", []) if there are none."""
    try:
        text = read_text(path)
    except OSError:
        return "", []
    command = re.search(r"^command = ([\"'].*)$", text, re.MULTILINE)
    return parse_value(command.group(1)) if command else "", re.findall(r'^id = "([\w-]+)"$', text, re.MULTILINE)


def is_stale(index: Path, runs: List[Run]) -> bool:
    """Whether an index.h5 that is there was made from other runs, or other run.h5 files (experiments/index_state.h)."""
    if not index.exists():
        return False
    lines = sorted((run.id, str(run.status.get("run_file_sha256", ""))) for run in runs)
    digest = sha256("".join(f"{run} {hash_}\n" for run, hash_ in lines).encode()).hexdigest()
    try:
        with h5py.File(index, "r", locking=False) as file:
            return bool(as_plain(file.attrs.get("runs_sha256", "")) != digest)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError):
        return True


def common_invocation(runs: List[Run]) -> str:
    invocations = {str(run.status["invocation"]) for run in runs if run.status.get("invocation")}
    return invocations.pop() if len(invocations) == 1 else ""
