# SPDX-License-Identifier: Apache-2.0
"""What the figures and tables are made of: bands over seeds, decimation, losses with censored runs. Intervals and tests
come from the program (analysis.py).

A run that diverged is never left out: in an order statistic it counts as worse than every run that did not.
"""

import math
import warnings
from dataclasses import dataclass
from typing import List, Sequence, Tuple

import numpy as np

from precipice.runs.run_files import Run

@dataclass
class Curve:
    steps: np.ndarray
    values: np.ndarray
    diverged: bool = False


@dataclass
class Band:
    """low and high: over the runs that have a value there. middle: NaN where a median cannot honestly be given."""

    steps: np.ndarray
    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray


def seed_band(curves: Sequence[Curve]) -> Band:
    """Minimum, median and maximum over runs. After its last finite value a diverged run counts as +inf, so the median
    ends where half of the runs have diverged; a run that is short for another reason ends it at once."""
    steps = np.unique(np.concatenate([curve.steps for curve in curves])) if curves else np.zeros(0, dtype=np.int64)
    values = np.full((len(curves), len(steps)), np.nan)
    ranked = values.copy()
    for row, curve in enumerate(curves):
        finite = np.isfinite(curve.values)
        values[row, np.searchsorted(steps, curve.steps[finite])] = curve.values[finite]
        ranked[row] = values[row]
        if curve.diverged:
            last = curve.steps[finite].max() if finite.any() else -1
            ranked[row, steps > last] = np.inf
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # columns without any value are NaN, as wanted
        low, high = (
            (np.nanmin(values, axis=0), np.nanmax(values, axis=0)) if len(curves) else (steps * 1.0, steps * 1.0)
        )
        middle = np.median(ranked, axis=0) if len(curves) else steps * 1.0
    middle[~np.isfinite(middle)] = np.nan
    return Band(steps, low, middle, high)


def decimate(band: Band, columns: int) -> Band:
    """At most `columns` points: each keeps the lowest low and the highest high of its steps, and the mean of middle."""
    if len(band.steps) <= columns:
        return band
    first, last = int(band.steps[0]), int(band.steps[-1])
    column = (band.steps - first) * columns // (last - first + 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    known = np.isfinite(band.middle)
    total = np.add.reduceat(np.where(known, band.middle, 0.0), starts)
    count = np.add.reduceat(known.astype(float), starts)
    middle = np.divide(total, count, out=np.full(len(starts), np.nan), where=count > 0)
    centres = np.add.reduceat(band.steps.astype(float), starts) / np.add.reduceat(np.ones(len(column)), starts)
    return Band(centres, np.fmin.reduceat(band.low, starts), middle, np.fmax.reduceat(band.high, starts))


def drawn_losses(runs: Sequence[Run]) -> np.ndarray:
    """Where each run that ended is drawn: at its final loss, or at its initial one where it diverged. For axes alone: the
    loss of a diverged run enters no mean and no median."""
    losses = []
    for run in runs:
        if run.ended:
            losses.append(run.final_loss if math.isfinite(run.final_loss) else run.initial_loss)
    return np.array(losses)


def median_or_nan(values: Sequence[float]) -> float:
    array = np.asarray(values, dtype=float)
    array = array[np.isfinite(array)]
    return float(np.median(array)) if len(array) else math.nan


@dataclass
class Cell:
    """All runs of one format at one learning rate."""

    label: str
    learning_rate: float
    runs: List[Run]

    @property
    def ended(self) -> List[Run]:
        return [run for run in self.runs if run.ended]

    @property
    def diverged(self) -> int:
        return sum(run.diverged for run in self.ended)

    @property
    def median_loss(self) -> float:
        """In order, a diverged run behind every number; NaN where half or more diverged, since no loss is the middle one."""
        losses = [run.final_loss if math.isfinite(run.final_loss) else math.inf for run in self.ended]
        middle = float(np.median(losses)) if losses else math.nan
        return middle if math.isfinite(middle) else math.nan

    def loss_range(self) -> Tuple[float, float]:
        """Over the runs that did not diverge."""
        finite = [run.final_loss for run in self.ended if math.isfinite(run.final_loss)]
        return (min(finite), max(finite)) if finite else (math.nan, math.nan)

    def curves(self, group: str, series: str) -> List[Curve]:
        found = []
        for run in self.runs:
            rows = getattr(run, group)
            if len(rows.steps) and series in rows.series:
                found.append(Curve(rows.steps, rows.get(series), run.diverged))
        return found
