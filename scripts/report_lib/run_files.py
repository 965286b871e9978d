# SPDX-License-Identifier: Apache-2.0
"""Reads run directories: run.h5 by the names of our own schema only, status.json, config.toml. Never raises for one bad
run: what is wrong is kept in Run.problem, so that the report can name it."""

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional

import h5py
import numpy as np

from report_lib.config_text import number, parse_config
from report_lib.html_text import clean
from report_lib.inputs import recorded_inputs
from safe_files import is_there, open_regular, regular, size_of

MAX_TEXT_BYTES = 1 << 22
MAX_SITES = 1 << 16
MAX_STEP = 10**12  # as experiments/cli/analysis.cpp
LARGEST, LARGEST_RATE = 1e100, 1e30  # beyond any number of a run that computes in fp32
MAX_ATTRIBUTE_BYTES = 1 << 20
STALE_SECONDS = 60  # as metrics/log/status_file.h
FINISHED = ("done", "diverged", "untrained", "skipped")  # states with nothing left to train
# What is read of a file expands to at most this: a small file that claims to hold gigabytes is refused unread. Series of
# whole runs expand tenfold; constant ones, a thousandfold, are never all of a file.
EXPANSION_LIMIT, EXPANSION_FREE = 64, 1 << 24
FIELDS = {"metrics": "metrics", "eval": "evals", "sharpness": "sharpness", "tensors": "tensors"}  # of Run, by group
BY_SITE = ("attention", "activations")  # groups with sites that a figure draws; those without are all read
MAX_GROUPS = 64
RUN_FILES = ("run.h5", "status.json", "config.toml", "metrics.jnl")


class ReportError(Exception):
    """One line for the user."""


@dataclass
class SeriesGroup:
    """One group of run.h5: series on a common step axis; 2-D (step, site) where there are sites."""

    steps: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    series: Dict[str, np.ndarray] = field(default_factory=dict)
    sites: List[str] = field(default_factory=list)

    def get(self, name: str) -> np.ndarray:
        return self.series.get(name, np.full(len(self.steps), np.nan))


@dataclass(eq=False)
class Run:
    directory: Path
    id: str = ""
    state: str = "pending"  # as in metrics/log/status_file.h, or "unreadable"
    problem: str = ""  # why there are no data, in one line
    reason: str = ""  # of a divergence or a failure
    config: Dict[str, Any] = field(default_factory=dict)
    attributes: Dict[str, Any] = field(default_factory=dict)
    status: Dict[str, Any] = field(default_factory=dict)
    metrics: SeriesGroup = field(default_factory=SeriesGroup)
    evals: SeriesGroup = field(default_factory=SeriesGroup)
    sharpness: SeriesGroup = field(default_factory=SeriesGroup)
    tensors: SeriesGroup = field(default_factory=SeriesGroup)
    probes: Dict[str, SeriesGroup] = field(default_factory=dict)  # the file's other groups by name
    divergence_step: int = -1
    inputs: Dict[str, str] = field(default_factory=dict)  # SHA-256 of the files that it was trained on, by config key

    @property
    def diverged(self) -> bool:
        return self.state == "diverged" or (self.state == "done" and self.divergence_step >= 0)

    @property
    def ended(self) -> bool:
        """Has a result: only such runs count in n/N."""
        return self.state in FINISHED and not self.problem

    @property
    def learning_rate(self) -> Optional[float]:
        rate = number(self.config, "optimizer.lr")
        return rate if rate is not None and abs(rate) <= LARGEST_RATE else None

    @property
    def seed(self) -> Any:
        return self.config.get("seed", "")

    @property
    def entropy_floor(self) -> float:
        floor = self.attributes.get("entropy_floor")
        return float(floor) if isinstance(floor, (int, float)) and abs(floor) <= LARGEST else math.nan

    @property
    def unigram_floor(self) -> float:
        """Entropy of single tokens of the data: a run that does not end below it has learnt nothing."""
        floor = self.attributes.get("unigram_floor")
        return float(floor) if isinstance(floor, (int, float)) and abs(floor) <= LARGEST else math.nan

    @property
    def steps_done(self) -> int:
        if len(self.metrics.steps):
            return int(self.metrics.steps[-1]) + 1
        step = self.status.get("step")
        return step if isinstance(step, int) else 0

    @property
    def initial_loss(self) -> float:
        """The first finite loss: what a run that learnt nothing would have."""
        losses = self.metrics.get("train_loss")
        finite = losses[np.isfinite(losses)]
        return float(finite[0]) if len(finite) else math.nan

    @property
    def final_loss(self) -> float:
        """Validation loss at the end; NaN unless the run has ended and did not diverge."""
        losses = self.evals.get("validation_loss")
        return float(losses[-1]) if self.ended and not self.diverged and len(losses) else math.nan

    @property
    def skipped_steps(self) -> int:
        """Steps that the loss scale left out, by what the program wrote or else by the series."""
        for written in (self.attributes.get("skipped_steps"), self.status.get("skipped_steps")):
            if isinstance(written, int):
                return written
        return int(np.nansum(self.metrics.get("skipped") != 0)) if "skipped" in self.metrics.series else 0

    @property
    def skipped_text(self) -> str:
        """Nothing where no step was skipped or the reason says it."""
        text = f"skipped {self.skipped_steps} of {self.steps_done} steps"
        return text if self.skipped_steps > 0 and "skipped" not in self.reason else ""


def read_run(directory: Path) -> Run:
    run = Run(directory, id=directory.name)
    run.status = read_status(directory / "status.json")
    path = directory / "run.h5"
    if is_there(path):
        try:
            read_run_file(path, run)
        except Exception as error:  # whatever a crafted file makes h5py, numpy or the reader of TOML raise
            # Nothing of it is drawn: what was read before the fault is no better known.
            run = Run(directory, run.id, "unreadable", f"run.h5: {one_line(error)}", config=run.config, status=run.status)
    else:
        run.problem = "no run.h5" if directory.is_dir() else "never started"
    if not run.config:
        try:
            run.config = parse_config(read_text(directory / "config.toml"))
        except (OSError, ValueError, AttributeError, RecursionError):
            pass
    run.inputs = recorded_inputs(directory, run.config, run.attributes)
    take_state(run)
    return run


def take_state(run: Run) -> None:
    """status.json is newer than run.h5 while a run is going on or has failed; a whole run.h5 says how it ended."""
    if run.state == "unreadable":
        return
    run.state = str(run.status.get("state") or run.attributes.get("status") or "pending")
    heartbeat = run.status.get("heartbeat")
    if run.state == "running" and isinstance(heartbeat, int) and time.time() - heartbeat > STALE_SECONDS:
        run.state = "stale"
    divergence_step = run.attributes.get("divergence_step")
    run.divergence_step = divergence_step if isinstance(divergence_step, int) and divergence_step <= MAX_STEP else -1
    run.reason = str(run.attributes.get("divergence_reason") or run.status.get("reason") or "")
    if run.ended and not run.problem and not len(run.metrics.steps):
        run.problem = "no steps in run.h5"


def read_status(path: Path) -> Dict[str, Any]:
    try:
        status = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return status if isinstance(status, dict) else {}


def read_text(path: Path) -> str:
    with open_regular(path) as file:
        return file.read(MAX_TEXT_BYTES).decode("utf-8", errors="replace")


class Budget:
    """How many bytes may still be read of a file, by its own size on disk; and how many rows a run's series have."""

    def __init__(self, path: Path, rows: Optional[int] = None):
        self.left = EXPANSION_FREE + EXPANSION_LIMIT * size_of(path)
        self.rows = rows  # None: unknown

    def take(self, dataset: h5py.Dataset) -> None:
        """Raises ValueError for a dataset that is larger than it can honestly be."""
        wanted = dataset.size * dataset.dtype.itemsize
        if wanted > self.left:
            raise ValueError(f"{dataset.name} would take {wanted} bytes, more than the file can hold")
        self.left -= wanted

    def check_rows(self, dataset: h5py.Dataset) -> None:
        if self.rows is not None and dataset.ndim and dataset.shape[0] > self.rows:
            raise ValueError(f"{dataset.name} has {dataset.shape[0]} rows, and the run has {self.rows - 1} steps")


def read_run_file(path: Path, run: Run) -> None:
    budget = Budget(path)
    with h5py.File(regular(path), "r", locking=False) as file:
        for name in file.attrs:
            if file.attrs.get_id(name).get_storage_size() > MAX_ATTRIBUTE_BYTES:
                raise ValueError(f"attribute {name} is larger than {MAX_ATTRIBUTE_BYTES} bytes")
            value = as_plain(file.attrs[name])
            if isinstance(value, (str, int, float)):
                run.attributes[name] = value
        config = checked(file, "config", budget)
        if config is not None:
            text = as_plain(config[()])
            if not isinstance(text, str) or len(text) > MAX_TEXT_BYTES:
                raise ValueError("config is no text, or too long")
            run.config = parse_config(text)
        steps = run.config.get("train.steps", run.status.get("steps"))
        if isinstance(steps, int) and steps > 0:
            budget.rows = steps + 1  # evaluations stand before the first step and after the last
        for name, member in FIELDS.items():
            read_group(file, name, getattr(run, member), budget)
        for name in other_groups(file):
            run.probes[name] = SeriesGroup()
            read_group(file, name, run.probes[name], budget)


def other_groups(file: h5py.File) -> List[str]:
    """What a run measured is what its file holds: no list here has to know a metric that was added."""
    names = [name for name in file if name not in FIELDS and isinstance(file.get(name, getlink=True), h5py.HardLink)]
    names = [name for name in names if isinstance(file[name], h5py.Group) and "step" in file[name]]
    if len(names) > MAX_GROUPS:
        raise ValueError(f"{len(names)} groups of series")
    return [name for name in names if name in BY_SITE or "site" not in file[name]]


def read_group(file: h5py.File, name: str, group: SeriesGroup, budget: Budget) -> None:
    if name not in file or not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return
    folder = file[name]
    steps = checked(folder, "step", budget)
    if steps is None:
        return
    budget.check_rows(steps)
    group.steps = rising_steps(steps)
    sites = checked(folder, "site", budget)
    if sites is not None:
        if sites.size > MAX_SITES:
            raise ValueError(f"{sites.name} names {sites.size} sites")
        group.sites = [clean(as_plain(site)) for site in sites[()]]
    for key in folder:
        dataset = checked(folder, key, budget) if key not in ("step", "site") else None
        if dataset is not None and dataset.ndim == (2 if group.sites else 1) and dataset.dtype.kind in "fiu":
            budget.check_rows(dataset)
            values = np.asarray(dataset[()], dtype=np.float64)
            values[np.abs(values) > LARGEST] = np.inf  # no axis has room for it
            group.series[key] = values
    # A hand-made file may have columns of unequal length: keep the rows that all of them have.
    rows = min([len(group.steps)] + [len(values) for values in group.series.values()])
    group.steps = group.steps[:rows]
    group.series = {key: values[:rows] for key, values in group.series.items()}


def rising_steps(dataset: h5py.Dataset) -> np.ndarray:
    if dataset.ndim != 1 or dataset.dtype.kind not in "iu":
        raise ValueError(f"{dataset.name} is no row of whole numbers")
    steps = dataset[()]
    if len(steps) and not (0 <= int(steps[0]) and int(steps.max()) <= MAX_STEP and (steps[1:] > steps[:-1]).all()):
        raise ValueError(f"{dataset.name} does not rise")
    return steps.astype(np.int64)


def checked(folder: h5py.Group, name: str, budget: Budget) -> Optional[h5py.Dataset]:
    """A dataset stored in this file itself, of a size that the file can hold; None if there is none."""
    if name not in folder or not isinstance(folder.get(name, getlink=True), h5py.HardLink):
        return None
    dataset = folder[name]
    if not isinstance(dataset, h5py.Dataset):
        return None
    if dataset.external or dataset.is_virtual or dataset.size is None:
        raise ValueError(f"{dataset.name} is not a plain dataset")
    budget.take(dataset)
    return dataset


def as_plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value.item() if isinstance(value, np.generic) else value


def one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
