# SPDX-License-Identifier: Apache-2.0
"""Groups of run.h5 as arrays: every series with the names of its dimensions, of one run, or of many runs padded with NaN to a
common axis. What a file claims to hold is checked as for the report (datasets.py)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import h5py
import numpy as np

from precipice.html_text import clean
from precipice.runs.datasets import Budget, as_plain, checked, rising_steps
from precipice.runs.locate import open_run_file, run_file
from precipice.runs.run_files import MAX_GROUPS, MAX_SITES

DIMENSIONS = ("step", "site", "bin")  # of a series, in this order: as many as it has


@dataclass
class Group:
    """Series on common axes. Values are float64; `axes` holds step (int64) and, where there are any, site and bin (text)."""

    axes: Dict[str, np.ndarray] = field(default_factory=dict)
    values: Dict[str, np.ndarray] = field(default_factory=dict)
    dims: Dict[str, Tuple[str, ...]] = field(default_factory=dict)
    attributes: Dict[str, Dict[str, str]] = field(default_factory=dict)  # units and long_name of each series

    @property
    def is_empty(self) -> bool:
        return not len(self.axes.get("step", ())) or not self.values


def read_groups(directory: Path, wanted: Optional[Sequence[str]] = None) -> Dict[str, Group]:
    """All groups of a run's file that hold anything, or those of `wanted`, by name. Raises OSError and ValueError for a file
    that cannot be read or claims more than it can hold."""
    found = {}
    with open_run_file(directory) as file:
        budget = Budget(run_file(directory))
        names = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
        names = [name for name in names if isinstance(file[name], h5py.Group) and "step" in file[name]]
        if len(names) > MAX_GROUPS:
            raise ValueError(f"{len(names)} groups of series")
        for name in names:
            if wanted is None or name in wanted:
                group = read_group(file[name], budget)
                if not group.is_empty:
                    found[name] = group
    return found


def read_group(folder: h5py.Group, budget: Budget) -> Group:
    group = Group()
    for name in DIMENSIONS:
        scale = checked(folder, name, budget)
        if scale is None:
            break
        if name == "step" and scale.size == 0:
            return group  # nothing was logged: its series need no look
        if name != "step" and scale.size > MAX_SITES:
            raise ValueError(f"{scale.name} has {scale.size} entries")
        group.axes[name] = rising_steps(scale) if name == "step" else np.array([clean(as_plain(v)) for v in scale[()]], dtype=object)
    for name in folder:
        dataset = checked(folder, name, budget) if name not in DIMENSIONS else None
        if dataset is None or dataset.dtype.kind not in "fiu" or not 1 <= dataset.ndim <= len(group.axes):
            continue
        dims = DIMENSIONS[: dataset.ndim]
        if dataset.shape == tuple(len(group.axes[dim]) for dim in dims):
            group.values[name] = np.asarray(dataset[()], dtype=np.float64)
            group.dims[name] = dims
            group.attributes[name] = described(dataset)
    return group


def described(dataset: h5py.Dataset) -> Dict[str, str]:
    found = {name: as_plain(dataset.attrs[name]) for name in ("long_name", "units") if name in dataset.attrs}
    return {name: clean(value) for name, value in found.items() if isinstance(value, str) and value}


def padded(groups: Sequence[Optional[Group]]) -> Group:
    """The same group of many runs with a dimension `run` in front. Steps and sites: of all runs together; where a run has no
    value, NaN. None: a run without the group."""
    known = [group for group in groups if group is not None]
    whole = Group()
    steps = [group.axes["step"] for group in known]
    whole.axes["step"] = np.unique(np.concatenate(steps)) if steps else np.zeros(0, dtype=np.int64)
    for name in DIMENSIONS[1:]:
        every = dict.fromkeys(label for group in known for label in group.axes.get(name, ()))
        if every:
            whole.axes[name] = np.array(list(every), dtype=object)
    for group in known:
        for name, dims in group.dims.items():
            if whole.dims.setdefault(name, dims) != dims:
                raise ValueError(f"{name} is a series of {dims} in one run and of {whole.dims[name]} in another")
            whole.attributes.setdefault(name, group.attributes[name])
    places = [places_in(whole.axes, group) for group in groups]
    for name, dims in whole.dims.items():
        values = np.full((len(groups), *(len(whole.axes[dim]) for dim in dims)), np.nan)
        for row, (group, place) in enumerate(zip(groups, places)):
            if group is not None and name in group.values:
                values[(row, *np.ix_(*(place[dim] for dim in dims)))] = group.values[name]
        whole.values[name] = values
    return whole


def places_in(axes: Dict[str, np.ndarray], group: Optional[Group]) -> Dict[str, np.ndarray]:
    """Where a group's steps and sites lie on the common axes."""
    if group is None:
        return {}
    places = {"step": np.searchsorted(axes["step"], group.axes["step"])}
    for name in DIMENSIONS[1:]:
        if name in group.axes:
            position: Dict[Any, int] = {label: index for index, label in enumerate(axes[name])}
            places[name] = np.array([position[label] for label in group.axes[name]], dtype=np.int64)
    return places


def rows_of(group: Group, name: str) -> List[np.ndarray]:
    """A series as columns of a long table: its axes repeated, and its values, each of one dimension."""
    grids = np.meshgrid(*(group.axes[dim] for dim in group.dims[name]), indexing="ij")
    return [*(grid.ravel() for grid in grids), group.values[name].ravel()]
