# SPDX-License-Identifier: Apache-2.0
"""Reads run directories: run.h5 by the names of our own schema only, status.json, config.toml. Never raises for one bad
run: what is wrong is kept in Run.problem, so that the report can name it."""

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import h5py
import numpy as np

from precipice.runs.config_text import number, parse_config
from precipice.runs.datasets import (
    MAX_STEP,
    Budget,
    as_plain,
    checked_child,
    children,
    plain_attributes,
    read_numbers,
    rising_steps,
)
from precipice.html_text import clean
from precipice.runs.inputs import recorded_inputs
from precipice.runs.locate import is_there, open_run_file, run_file
from precipice.safe_files import open_regular

MAX_TEXT_BYTES = 1 << 22
MAX_SITES = 1 << 16
LARGEST, LARGEST_RATE = 1e100, 1e30  # beyond any number of a run that computes in fp32
STALE_SECONDS = 60  # as metrics/log/status_file.h
FINISHED = ("done", "diverged", "untrained", "skipped")  # states with nothing left to train
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


def read_run(directory: Path, groups: Optional[Sequence[str]] = None) -> Run:
    """`groups`: of run.h5 those that are wanted; None: all that the report draws."""
    run = Run(directory, id=directory.name)
    run.status = read_status(directory / "status.json")
    if is_there(run_file(directory)):
        try:
            read_run_file(directory, run, groups)
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


def read_run_file(directory: Path, run: Run, groups: Optional[Sequence[str]]) -> None:
    budget = Budget(run_file(directory))
    with open_run_file(directory) as file:
        run.attributes.update(plain_attributes(file))
        held = children(file)
        config = checked_child(file, "config", budget) if "config" in held[""] else None
        if config is not None:
            text = as_plain(config[()])
            if not isinstance(text, str) or len(text) > MAX_TEXT_BYTES:
                raise ValueError("config is no text, or too long")
            run.config = parse_config(text)
        steps = run.config.get("train.steps", run.status.get("steps"))
        if isinstance(steps, int) and steps > 0:
            budget.rows = steps + 1  # evaluations stand before the first step and after the last
        for name, member in FIELDS.items():
            if "step" in held.get(name, ()) and (groups is None or name in groups):
                setattr(run, member, read_group(file, name, held[name], budget))
        for name in other_groups(held) if groups is None else ():
            run.probes[name] = read_group(file, name, held[name], budget)


def other_groups(held: Mapping[str, Sequence[str]]) -> List[str]:
    """What a run measured is what its file holds: no list here has to know a metric that was added."""
    names = [name for name in held[""] if name not in FIELDS and "step" in held.get(name, ())]
    if len(names) > MAX_GROUPS:
        raise ValueError(f"{len(names)} groups of series")
    return [name for name in names if name in BY_SITE or "site" not in held[name]]


def read_group(file: h5py.Group, name: str, held: Sequence[str], budget: Budget) -> SeriesGroup:
    """`held`: the names in the group. Of a group without rows nothing but the names is read."""
    group = SeriesGroup()
    folder = file[name]
    steps = checked_child(folder, "step", budget)
    if steps is None:
        return group
    budget.check_rows(steps)
    group.steps = rising_steps(steps)
    sites = checked_child(folder, "site", budget) if "site" in held else None
    if sites is not None:
        if sites.size > MAX_SITES:
            raise ValueError(f"{sites.name} names {sites.size} sites")
        group.sites = [clean(as_plain(site)) for site in sites[()]]
    series = [key for key in held if key not in ("step", "site")]
    if not len(group.steps):
        empty = np.zeros((0, len(group.sites)) if group.sites else 0)
        group.series = {key: empty for key in series}
        return group
    for key in series:
        dataset = checked_child(folder, key, budget)
        if dataset is not None and dataset.ndim == (2 if group.sites else 1) and dataset.dtype.kind in "fiu":
            budget.check_rows(dataset)
            values = read_numbers(dataset)
            values[np.abs(values) > LARGEST] = np.inf  # no axis has room for it
            group.series[key] = values
    # A hand-made file may have columns of unequal length: keep the rows that all of them have.
    rows = min([len(group.steps)] + [len(values) for values in group.series.values()])
    group.steps = group.steps[:rows]
    group.series = {key: values[:rows] for key, values in group.series.items()}
    return group


def one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
