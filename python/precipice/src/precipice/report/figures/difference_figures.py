# SPDX-License-Identifier: Apache-2.0
"""Differences to the reference on the same seed: final losses with the program's intervals, and training losses over steps.
Runs of one seed share initial weights and batches, so that a difference shows what the spread of the seeds hides."""

import math
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from precipice.report.analysis import Analysis
from precipice.report.describe import listed
from precipice.report.grouping import MAX_FORMATS, Sweep
from precipice.runs.run_files import Run
from precipice.report.statistics import Cell
from precipice.report.figures.style import (
    GREY,
    SMALLEST_FIGURE,
    Part,
    Picture,
    format_handles,
    legend_above,
    panels,
    row_names,
    series_line,
    set_title,
)

MOST_ROWS = 40  # of one figure; of more comparisons those of the shown rates
ROW_HEIGHT = 0.34  # inches
WINDOWS = 60  # of the steps: a mean over each takes the noise of single batches out
WIDE = 30  # a symmetric logarithmic axis where differences span more
ZERO_LINE: Dict[str, Any] = {"color": GREY, "linewidth": 1.1}


@dataclass
class Pair:
    """A format and its reference at one learning rate."""

    cell: Cell
    other: Cell
    differences: List[float]  # of final losses, by seed, where neither run diverged
    dropped: int  # seeds in which one did
    interval: Tuple[float, float] = (math.nan, math.nan)
    verdict: str = ""
    confidence: float = 0.95
    runs: List[Tuple[Run, Run]] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return float(np.mean(self.differences)) if self.differences else math.nan


def pairs_of(sweep: Sweep, analysis: Analysis) -> List[Pair]:
    """As the program compares them; without it every format with the baseline."""
    entries = analysis.statistics.get("comparisons", {}).get("final_loss")
    if entries is None:
        entries = [
            {"format": cell.label, "reference": sweep.baseline, "learning_rate": cell.learning_rate}
            for cell in sweep.ordered_cells()
            if cell.label != sweep.baseline
        ]
    pairs = []
    for entry in entries:
        cell, other = (sweep.cell(entry[side], entry["learning_rate"]) for side in ("format", "reference"))
        if cell is None or other is None or not entry.get("paired", True):
            continue
        pair = make_pair(cell, other)
        if entry.get("interval") and all(isinstance(end, (int, float)) for end in entry["interval"]):
            pair.interval = tuple(entry["interval"])
        pair.verdict, pair.confidence = entry.get("verdict", ""), entry.get("confidence", 0.95)
        if pair.runs:
            pairs.append(pair)
    order = {label: position for position, label in enumerate(sweep.labels)}
    return sorted(pairs, key=lambda pair: (order[pair.cell.label], pair.cell.learning_rate, order[pair.other.label]))


def make_pair(cell: Cell, other: Cell) -> Pair:
    by_seed = {seed_of(run): run for run in other.runs}
    runs = [(run, by_seed[seed_of(run)]) for run in cell.runs if seed_of(run) in by_seed]
    ended = [(run, base) for run, base in runs if run.ended and base.ended]
    losses = [run.final_loss - base.final_loss for run, base in ended]
    known = [difference for difference in losses if math.isfinite(difference)]
    return Pair(cell, other, known, len(losses) - len(known), runs=runs)


def seed_of(run: Run) -> Tuple[Tuple[str, str], ...]:
    """All keys that say where random numbers come from."""
    return tuple(
        (key, str(value)) for key, value in sorted(run.config.items()) if key == "seed" or key.endswith(".seed")
    )


def name_of(sweep: Sweep, pair: Pair, with_rate: bool) -> str:
    name = sweep.name(pair.cell.label)
    if pair.other.label != sweep.baseline:
        name += f" − {sweep.name(pair.other.label)}"
    return f"{name} at {sweep.rate_name(pair.cell.learning_rate)}" if with_rate else name


def difference_figure(sweep: Sweep, analysis: Analysis, rates: Sequence[float]) -> Optional[Tuple[Figure, Picture]]:
    """`rates`: those that are shown where there are too many rows."""
    pairs = [pair for pair in pairs_of(sweep, analysis) if pair.differences]
    if len(pairs) > MOST_ROWS:
        pairs = [pair for pair in pairs if pair.cell.learning_rate in rates]
    pairs = pairs[:MOST_ROWS]
    if not pairs:
        return None
    with_rate = len({pair.cell.learning_rate for pair in pairs}) > 1
    figure, (axes,) = panels(1, 1, width=SMALLEST_FIGURE + 0.8, height=1.0 + ROW_HEIGHT * len(pairs))
    axes.axvline(0, zorder=1, **ZERO_LINE)
    for row, pair in enumerate(pairs):
        colour = sweep.styles[pair.cell.label][0]
        axes.plot(pair.differences, [row] * len(pair.differences), ".", color=colour, alpha=0.6, markersize=5, zorder=2)
        if math.isfinite(pair.interval[0]):
            axes.plot(pair.interval, [row, row], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=3)
        axes.plot([pair.mean], [row], "o", color=colour, markersize=6.5, markeredgecolor="white", zorder=4)
    names = row_names([name_of(sweep, pair, with_rate) for pair in pairs], [len(pair.differences) for pair in pairs])
    axes.set_yticks(range(len(pairs)), names)
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    scaled = set_symmetric_if_wide(axes, pairs)
    axes.set_xlabel("final loss less that of the reference, same seed (nats)")
    dropped = sum(pair.dropped for pair in pairs)
    caption = (
        f"Reference: {sweep.name(sweep.baseline)}, or what stands behind the sign. Small dots: seeds; large dot: their mean; "
        "bar: interval of the mean (paired t, at the level that Holm’s rule gives it, so that it holds 0 exactly where "
        "nothing is decided). n: seeds in which both runs ended with a loss."
        + (f" {dropped} pairs in which a run diverged have no difference in nats and are not drawn." if dropped else "")
        + (" The axis is linear around 0 and logarithmic beyond." if scaled else "")
    )
    text = listed([f"{name_of(sweep, pair, with_rate)} {pair.mean:+.4f}" for pair in pairs], 12)
    part = Part(f"Mean differences of final losses to the reference: {text}.", [axes])
    return figure, Picture("difference", "Difference to the reference, same seed", caption, [part])


def set_symmetric_if_wide(axes: Axes, pairs: Sequence[Pair]) -> bool:
    sizes = sorted(abs(difference) for pair in pairs for difference in pair.differences if difference)
    axes.margins(x=0.06)
    if not sizes or sizes[-1] < WIDE * max(sizes[len(sizes) // 4], 1e-12):
        return False
    least = max(sizes[len(sizes) // 4], 1e-6)
    axes.set_xscale("symlog", linthresh=10 ** math.floor(math.log10(least)), linscale=0.6)
    axes.autoscale_view()
    return True


def difference_curves_figure(sweep: Sweep, analysis: Analysis) -> Optional[Tuple[Figure, Picture]]:
    """At the shown rate: training loss less that of the reference's run of the same seed, in windows of steps."""
    rate = sweep.shown_rate
    pairs = [pair for pair in pairs_of(sweep, analysis) if pair.cell.learning_rate == rate]
    curves = [(pair, found) for pair in pairs for found in [windowed(pair)] if found is not None]
    if rate is None or not curves:
        return None
    size = MAX_FORMATS - 1
    groups = [curves[start : start + size] for start in range(0, len(curves), size)]
    figure, axes = panels(len(groups), min(len(groups), 3), width=3.8, height=2.9, share_y=False)
    parts = []
    for panel, group in zip(axes, groups):
        panel.axhline(0, zorder=1, **ZERO_LINE)
        for pair, (steps, low, middle, high) in group:
            colour, line = sweep.styles[pair.cell.label]
            panel.fill_between(steps, low, high, color=colour, alpha=0.16, linewidth=0, zorder=2)
            panel.plot(steps, middle, color=colour, zorder=3, **series_line(len(steps), line))
        if len(groups) > 1:
            set_title(panel, f"{', '.join(sweep.name(pair.cell.label) for pair, _ in group)}")
        panel.set_xlabel("step")
        panel.set_ylabel("difference of training loss (nats)")
        ends = listed([f"{name_of(sweep, pair, False)} {found[2][-1]:+.4f}" for pair, found in group])
        parts.append(Part(f"Differences of training losses to the reference. In the last window: {ends}.", [panel]))
    handles = format_handles(sweep, list(dict.fromkeys(pair.cell.label for pair, _ in curves)))
    legend_above(figure, handles)
    caption = (
        f"At learning rate {sweep.rate_name(rate)}, {sweep.why_shown}. Mean over windows of the steps of training loss less "
        f"that of the run of the same seed of {sweep.name(sweep.baseline)} (or of what the map of differences says). Line: "
        "mean over the seeds that have both; band: lowest to highest seed. A line ends where a seed has diverged."
    )
    title = f"Training loss less the reference’s, same seed, at learning rate {sweep.rate_name(rate)}"
    return figure, Picture("difference_curves", title, caption, parts, handles)


def windowed(pair: Pair) -> Optional[Tuple[np.ndarray, ...]]:
    """Middle step, lowest, mean and highest difference over seeds of each window that all pairs have."""
    rows = []
    longest = max(len(run.metrics.steps) for runs in pair.runs for run in runs)
    width = max(1, -(-longest // WINDOWS))
    for run, base in pair.runs:
        count = min(len(run.metrics.steps), len(base.metrics.steps))
        if not count or not (run.metrics.steps[:count] == base.metrics.steps[:count]).all():
            continue
        difference = run.metrics.get("train_loss")[:count] - base.metrics.get("train_loss")[:count]
        whole = count // width
        if whole:
            means = difference[: whole * width].reshape(whole, width).mean(axis=1)
            middles = run.metrics.steps[: whole * width].reshape(whole, width).mean(axis=1)
            rows.append((middles, means))
    if not rows:
        return None
    shortest = min(len(means) for _, means in rows)
    table = np.array([means[:shortest] for _, means in rows])
    known = np.isfinite(table).all(axis=0)
    last = int(np.argmin(known)) if not known.all() else shortest
    if not last:
        return None
    table = table[:, :last]
    return rows[0][0][:last], table.min(axis=0), table.mean(axis=0), table.max(axis=0)
