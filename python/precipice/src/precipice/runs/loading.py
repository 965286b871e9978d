# SPDX-License-Identifier: Apache-2.0
"""Runs and sweeps as xarray trees and pandas frames.

Of a run that diverged or is still going on there are as many steps as it has done: in a sweep's arrays the rest is NaN, and
`state`, `diverged` and `divergence_step` say why. Nothing is left out because it went wrong.
"""

import os
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

import numpy as np
import pandas as pd
import xarray as xr

from precipice.report.grouping import Sweep
from precipice.runs.joined import DIRECTORY, find_all
from precipice.runs.results import Results, is_run
from precipice.runs.run_files import ReportError, Run, one_line, read_run
from precipice.runs.series import Group, padded, read_groups, rows_of

OF_A_ROW = ("metrics", "eval")  # groups that say how far a run came and how it ended
OF_EACH_RUN = ("final_loss", "diverged", "divergence_step")  # in a cube, beside the series
PathLike = Union[str, "os.PathLike[str]"]
KEYS = ("format", "lr", "seed")  # that tell the runs of a sweep apart; `learning_rate` is the series of the schedule


class LoadedRun:
    """One run. `tree`: an xarray DataTree, a node for each group of run.h5 (metrics, eval, sharpness, ...) with the
    dimensions step, site and bin; what run.h5 says of itself stands in its attributes. `config`: the resolved config,
    {"optimizer.lr": 0.001, ...}. `state`: done, diverged, untrained, skipped, running, failed, ..."""

    def __init__(self, run: Run, groups: Dict[str, Group]):
        self.directory, self.id, self.state, self.reason = run.directory, run.id, run.state, run.reason
        self.config, self.attributes = dict(run.config), dict(run.attributes)
        self.diverged, self.divergence_step = run.diverged, run.divergence_step if run.divergence_step >= 0 else None
        self.final_loss = run.final_loss
        datasets = {name: dataset_of(group) for name, group in groups.items()}
        self.tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=self.attributes), **datasets}, name=run.id)
        self._groups = groups

    @property
    def directories(self) -> List[Path]:
        return [self.directory]

    def frame(self, group: str = "metrics") -> pd.DataFrame:
        """A group as a table, a column for each series; rows by step, and by site where the series have sites."""
        return group_frame(known_group(self._groups, group), group)

    def series(self) -> pd.DataFrame:
        """Every value in one long table: group, series, step, site, value."""
        return long_frame(self._groups)

    def __repr__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"<precipice run {self.id}: {self.state}{why}; {', '.join(self._groups) or 'no series yet'}>"


class LoadedSweep:
    """The runs of a sweep. `runs`: a pandas frame, a row for each run, with format, lr (optimizer.lr), seed, state,
    diverged, untrained, divergence_step, final_loss and a column for each setting that varies. `tree`: an xarray DataTree, a node for
    each group with the dimensions run, step, site and bin, the frame's columns as coordinates of run."""

    def __init__(self, results: Results, groups: Sequence[Dict[str, Group]]):
        self.results = results
        self.formats = Sweep(results.runs, results.record.labels)
        self.runs = runs_frame(results.runs, self.formats)
        self._groups = {name: padded([own.get(name) for own in groups]) for name in group_names(groups)}
        self._own_groups = list(groups)
        datasets = {name: self._with_runs(dataset_of(group, ("run",))) for name, group in self._groups.items()}
        self.tree = xr.DataTree.from_dict(datasets, name=results.name)

    @property
    def directories(self) -> List[Path]:
        return self.results.directories

    def cube(self, group: str = "metrics") -> xr.Dataset:
        """A group with the dimensions format, lr, seed, step (and site, bin), and of each run `final_loss`, `diverged` (0 or
        1) and `divergence_step`: NaN where no such run is. Raises ValueError where two runs have the same three."""
        runs = self.runs
        twice = runs[runs.duplicated(list(KEYS), keep=False)]
        if len(twice):
            alike = ", ".join(f"{key} {twice.iloc[0][key]}" for key in KEYS)
            raise ValueError(f"{twice.index[0]} and {twice.index[1]} both have {alike}: select runs by other columns first")
        if group not in self._groups:
            raise_unknown(self._groups, group)
        data = self.tree[group].to_dataset()
        of_runs = {name: ("run", self.runs[name].to_numpy(dtype=np.float64)) for name in OF_EACH_RUN}
        kept = data.drop_vars([name for name in data.coords if name not in (*KEYS, "run", "step", "site", "bin")])
        kept = kept.assign(of_runs)
        return kept.drop_vars("run").set_index(run=list(KEYS)).unstack("run").transpose(*KEYS, ...)

    def frame(self, group: str = "metrics") -> pd.DataFrame:
        """A group of all runs as a tidy table: run, format, lr, seed, diverged, step (and site), a column for each
        series. Only steps that a run has done."""
        known_group(self._groups, group)
        return self._stacked([group_frame(own[group], group) if group in own else None for own in self._own_groups])

    def series(self) -> pd.DataFrame:
        """Every value of all runs in one long table: run, format, lr, seed, diverged, group, series, step, site, value."""
        return self._stacked([long_frame(own) for own in self._own_groups])

    def _stacked(self, frames: Sequence[Optional[pd.DataFrame]]) -> pd.DataFrame:
        columns = ["run", *KEYS, "diverged"]
        about = self.runs.reset_index()[columns]
        parts = []
        for row, frame in enumerate(frames):
            if frame is not None and len(frame):
                plain = frame.reset_index() if frame.index.names != [None] else frame
                parts.append(plain.assign(**{name: about[name].iloc[row] for name in columns}))
        if not parts:
            return about.iloc[:0]
        whole = pd.concat(parts, ignore_index=True)
        return whole[[*columns, *(name for name in whole.columns if name not in columns)]]

    def _with_runs(self, data: xr.Dataset) -> xr.Dataset:
        coordinates = {name: ("run", plain_array(self.runs[name])) for name in self.runs.columns}
        return data.assign_coords(run=("run", plain_array(self.runs.index)), **coordinates)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in self.runs["state"].value_counts().items())
        return f"<precipice sweep {self.results.name}: {len(self.runs)} runs: {counts}; {', '.join(self._groups)}>"


def load_run(directory: PathLike, groups: Optional[Sequence[str]] = None) -> LoadedRun:
    """Reads a run directory; `groups`: those of run.h5 that are wanted, by default all that hold anything. Raises ReportError
    where there is no run, or its file cannot be read."""
    path = Path(directory)
    if not is_run(path):
        raise ReportError(f"{path} is no run directory: it has no run.h5 and no config.toml")
    run = read_run(path, OF_A_ROW)
    if run.state == "unreadable":
        raise ReportError(f"{path}: {run.problem}")
    return LoadedRun(run, groups_of(run, groups))


def load_sweep(directory: Union[PathLike, Sequence[PathLike]], groups: Optional[Sequence[str]] = None) -> LoadedSweep:
    """Reads the runs of a sweep directory, or of several directories as one (runs of equal settings in two of them differ in
    the setting `directory`); `groups`: those of run.h5 that are wanted, by default all that hold anything. A run that cannot
    be read has a row with the state `unreadable` and no values. Raises ReportError where there are no runs."""
    several = [directory] if isinstance(directory, (str, os.PathLike)) else list(directory)
    results = find_all([Path(each) for each in several], groups=OF_A_ROW)
    found = []
    for run in results.runs:
        try:
            found.append(groups_of(run, groups) if run.state != "unreadable" else {})
        except ReportError as error:
            run.state, run.problem = "unreadable", one_line(error)
            found.append({})
    return LoadedSweep(results, found)


def groups_of(run: Run, wanted: Optional[Sequence[str]]) -> Dict[str, Group]:
    if run.problem.startswith(("no run.h5", "never started")):
        return {}
    try:
        return read_groups(run.directory, wanted)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise ReportError(f"{run.directory}: run.h5: {one_line(error)}")


def group_names(groups: Sequence[Dict[str, Group]]) -> List[str]:
    return list(dict.fromkeys(name for own in groups for name in own))


def known_group(groups: Dict[str, Group], name: str) -> Group:
    if name not in groups:
        raise_unknown(groups, name)
    return groups[name]


def raise_unknown(groups: Dict[str, Any], name: str) -> None:
    raise KeyError(f"no group {name}; there are {', '.join(groups) or 'none yet'}")


def dataset_of(group: Group, before: Sequence[str] = ()) -> xr.Dataset:
    """`before`: dimensions in front of the group's own."""
    values = {name: ((*before, *group.dims[name]), group.values[name], group.attributes.get(name, {})) for name in group.values}
    return xr.Dataset(values, coords={name: (name, axis) for name, axis in group.axes.items()})


def group_frame(group: Group, name: str) -> pd.DataFrame:
    """Rows by the dimensions that the group's series have; raises ValueError where they do not all have the same."""
    dims = set(group.dims.values())
    if len(dims) != 1:
        raise ValueError(f"series of {name} have different dimensions: {', '.join(map(str, sorted(dims)))}; see series()")
    (own,) = dims
    index = [group.axes[dim] for dim in own]
    rows = pd.Index(index[0], name=own[0]) if len(index) == 1 else pd.MultiIndex.from_product(index, names=own)
    return pd.DataFrame({series: values.ravel() for series, values in group.values.items()}, index=rows)


def long_frame(groups: Dict[str, Group]) -> pd.DataFrame:
    """Histograms, whose values have a third axis, stay out: they are in the tree."""
    parts = []
    for name, group in groups.items():
        for series, dims in group.dims.items():
            if len(dims) <= 2:
                *axes, values = rows_of(group, series)
                site = axes[1] if len(axes) > 1 else ""
                parts.append(pd.DataFrame({"group": name, "series": series, "step": axes[0], "site": site, "value": values}))
    columns = ["group", "series", "step", "site", "value"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def runs_frame(runs: Sequence[Run], formats: Sweep) -> pd.DataFrame:
    """A row for each run, by its id."""
    label_of = {id(run): formats.name(label) for (label, _), cell in formats.cells.items() for run in cell.runs}
    rows = []
    for run in runs:
        rows.append(
            {
                "format": label_of.get(id(run), ""),
                "lr": run.learning_rate if run.learning_rate is not None else np.nan,
                "seed": run.seed if isinstance(run.seed, int) else -1,
                "state": run.state,
                "diverged": run.diverged,
                "untrained": run.state == "untrained",
                "divergence_step": run.divergence_step if run.divergence_step >= 0 else np.nan,
                "steps_done": run.steps_done,
                "initial_loss": run.initial_loss,
                "final_loss": run.final_loss,
                "wall_seconds": number_or_nan(run.status.get("wall_seconds")),
                "reason": "; ".join(part for part in (run.reason, run.problem) if part),
                **{key: setting(run.config.get(key)) for key in formats.varying if key != DIRECTORY},
                DIRECTORY: str(run.directory),
            }
        )
    return pd.DataFrame(rows, index=pd.Index([run.id for run in runs], name="run"))


def setting(value: Any) -> Any:
    return str(value) if isinstance(value, list) else value


def number_or_nan(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else np.nan


def plain_array(column: Any) -> np.ndarray:
    """Text as objects, numbers as numbers: pandas's own kinds of columns stay out of xarray."""
    values = column.to_numpy()
    return values if values.dtype.kind in "biuf" else np.array([each for each in column], dtype=object)
