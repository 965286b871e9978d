# SPDX-License-Identifier: Apache-2.0
"""Several directories read as one set of runs: side by side, never pooled. Where runs that differ in nothing but seeds lie in
different directories, the directory becomes one more setting, in which they differ."""

import contextlib
import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set

from precipice.runs.results import Results, SweepRecord, find_results
from precipice.runs.run_files import Run
from precipice.safe_files import write_file

DIRECTORY = "directory"  # the setting, beside the keys of a config


def find_all(
    directories: Sequence[Path], say: Callable[[str], None] = lambda text: None, groups: Optional[Sequence[str]] = None
) -> Results:
    """As find_results, of each. Raises ReportError for a directory without runs."""
    found = [find_results(directory, say, groups) for directory in directories]
    return found[0] if len(found) == 1 else join(found)


def join(parts: Sequence[Results]) -> Results:
    names = unique_names([part.directory for part in parts])
    runs = [run for part in parts for run in part.runs]
    tell_apart(parts, names)
    record = SweepRecord(command="; ".join(dict.fromkeys(part.command for part in parts if part.command)))
    record.axes = list(dict.fromkeys(axis for part in parts for axis in part.record.axes))
    for part in parts:
        record.earlier_commands += part.record.earlier_commands
        for key, labels in part.record.labels.items():
            record.labels.setdefault(key, {}).update(labels)
    left_out = [f"{name}/{each}" for name, part in zip(names, parts) for each in part.left_out]
    return Results(parts[0].directory, runs, record.command, record, left_out=left_out, parts=list(parts))


def unique_names(directories: Sequence[Path]) -> List[str]:
    """The last part of each path, or all of it where two end alike."""
    last = [directory.resolve().name for directory in directories]
    counts = Counter(last)
    return [name if counts[name] == 1 else str(directory) for name, directory in zip(last, directories)]


def tell_apart(parts: Sequence[Results], names: Sequence[str]) -> None:
    places: Dict[str, Set[str]] = defaultdict(set)  # of runs that differ in nothing but seeds
    ids = Counter(run.id for part in parts for run in part.runs)
    for name, part in zip(names, parts):
        for run in part.runs:
            if run.config:
                places[without_seeds(run.config)].add(name)
    collide = any(len(found) > 1 for found in places.values())
    for name, part in zip(names, parts):
        for run in part.runs:
            if collide:
                run.config = {**run.config, DIRECTORY: name}
            if ids[run.id] > 1:
                run.id = f"{name}/{run.id}"


def without_seeds(config: Dict[str, Any]) -> str:
    return repr(sorted((key, repr(value)) for key, value in config.items() if key != "seed" and not key.endswith(".seed")))


@contextlib.contextmanager
def as_one_sweep(results: Results) -> Iterator[Optional[Path]]:
    """A directory that the program reads as one sweep of these runs, of links to where they are; None where two of them
    are one run, or differ in the directory alone, which the program's statistics would pool, and where one has no directory
    of its own."""
    runs = [run for run in results.runs if run.config]
    by_id = {program_id(run): run for run in runs}
    is_alike = len(by_id) < len(runs) or any(DIRECTORY in run.config for run in runs)
    if is_alike or not all(run.directory.is_dir() for run in runs):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="precipice-report-") as folder:
        for name, run in by_id.items():
            (Path(folder) / name).symlink_to(run.directory.resolve(), target_is_directory=True)
        write_file(Path(folder) / "sweep.toml", sweep_toml(by_id, varying_axes(runs)))
        yield Path(folder)


def program_id(run: Run) -> str:
    """The id that the program gave the run, whatever its directory is called."""
    return str(run.attributes.get("run_id") or run.directory.name)


def varying_axes(runs: Sequence[Run]) -> List[str]:
    """Keys in which the runs differ, seeds last. Seeds that follow from `seed` are no axes of their own."""
    keys = dict.fromkeys(key for run in runs for key in run.config)
    varying = [key for key in keys if len({repr(run.config.get(key)) for run in runs}) > 1]
    settings = [key for key in varying if key != "seed" and not key.endswith(".seed")]
    return settings + ["seed"] * ("seed" in varying)


def sweep_toml(by_id: Dict[str, Run], axes: Sequence[str]) -> str:
    """As experiments/sweep/sweep_record.h describes it."""
    lines = ['schema_version = 1', 'command = ""', "base = []", f"axes = {json.dumps(list(axes))}"]
    for name, run in by_id.items():
        values = ", ".join(f"{json.dumps(axis)} = {json.dumps(run.config[axis])}" for axis in axes if axis in run.config)
        lines += ["", "[[runs]]", f"id = {json.dumps(name)}", f"values = {{{values}}}"]
    return "\n".join(lines) + "\n"
