# SPDX-License-Identifier: Apache-2.0
"""What exporters write: the runs of a directory, each with its settings and its values in order of steps."""

import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple, Union

import pandas as pd

from precipice.report.grouping import Sweep
from precipice.runs.loading import LoadedRun, LoadedSweep, load_run, load_sweep
from precipice.runs.results import is_run

Source = Union[str, "os.PathLike[str]", LoadedRun, LoadedSweep]


def load(source: Source) -> Union[LoadedRun, LoadedSweep]:
    """Raises ReportError for a directory that holds neither a run nor a sweep."""
    if isinstance(source, (LoadedRun, LoadedSweep)):
        return source
    path = Path(source)
    return load_run(path) if is_run(path) else load_sweep(path)


def long_table(source: Source) -> pd.DataFrame:
    """Every value: run, group, series, step, site, value; of a sweep with what tells its runs apart."""
    loaded = load(source)
    frame = loaded.series()
    return frame.assign(run=loaded.id)[["run", *frame.columns]] if isinstance(loaded, LoadedRun) else frame


def run_table(source: Source) -> pd.DataFrame:
    """A row for each run, by its id."""
    loaded = load(source)
    return loaded.runs if isinstance(loaded, LoadedSweep) else load_sweep(loaded.directory, groups=()).runs


def each_run(source: Source) -> Iterator[Tuple[str, Dict[str, Any], pd.DataFrame]]:
    """Id, config and long table of each run."""
    loaded = load(source)
    if isinstance(loaded, LoadedRun):
        yield loaded.id, loaded.config, loaded.series()
        return
    frame = loaded.series()
    parts = {name: part for name, part in frame.groupby("run", sort=False)} if len(frame) else {}
    for run in loaded.results.runs:
        if run.id in parts:
            yield run.id, dict(run.config), parts[run.id]


def run_names(source: Source) -> Dict[str, str]:
    """What a person calls a run: "fp8, 1e-3, seed 0"; of a single run its id."""
    loaded = load(source)
    if isinstance(loaded, LoadedRun):
        return {loaded.id: loaded.id}
    formats: Sweep = loaded.formats
    names: Dict[str, str] = {}
    for (label, rate), cell in formats.cells.items():
        for run in cell.runs:
            names[run.id] = f"{formats.name(label)}, {formats.rate_name(rate)}, seed {run.seed}"
    taken = list(names.values())
    return {run.id: unique(names.get(run.id, run.id), run.id, taken) for run in loaded.results.runs}


def unique(name: str, run: str, taken: List[str]) -> str:
    return name if taken.count(name) < 2 else f"{name}, {run}"


def tag_of(group: str, series: str, site: str = "") -> str:
    """metrics/train_loss; tensors/x_saturated/h.0.attn.qkv."""
    return "/".join(filter(None, (group, series, site)))


def by_step(frame: pd.DataFrame) -> Iterator[Tuple[int, Dict[str, float]]]:
    """The values of each step by tag, steps ascending; NaN is a value too: a run that diverged shows it."""
    ordered = frame.sort_values("step", kind="stable")
    tags = [tag_of(*names) for names in zip(ordered["group"], ordered["series"], ordered["site"].astype(str))]
    step, values = None, {}
    for at, tag, value in zip(ordered["step"], tags, ordered["value"]):
        if step is not None and at != step:
            yield step, values
            values = {}
        step = int(at)
        values[tag] = float(value)
    if step is not None:
        yield step, values
