# SPDX-License-Identifier: Apache-2.0
"""Training loss over steps: one panel per learning rate, in each the formats with their bands over seeds."""

import math
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from precipice.report.analysis import Analysis
from precipice.report.describe import last_medians
from precipice.report.grouping import Sweep
from precipice.runs.run_files import Run
from precipice.report.statistics import Cell, decimate, median_or_nan, seed_band
from precipice.report.figures.style import (
    CROSS,
    GREY,
    Part,
    Picture,
    counts_text,
    divergence_handle,
    draw_floors,
    floor_handles,
    format_handles,
    legend_above,
    line_widths,
    panels,
    series_line,
    set_title,
)

SPIKE_RULES = ("olmo-core", "jump")
RING: Dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markersize": 5, "linestyle": "none"}
COLUMNS = 240  # steps of a panel are gathered into this many pixel columns
MAX_PANELS = 12
HEADROOM = 1.12  # of the axis above the initial loss
CROSS_INSET = 0.035  # of the axis: half a cross, which must not reach into the title


CAPTION = (
    "Line: median over seeds; band: lowest to highest seed, so that a spike of one seed shows. A diverged run counts as worse "
    "than any other in the median, whose line ends where half of the seeds have diverged. Crosses: where a run was found to "
    "diverge; triangles: where a seed leaves the axis upwards. n: runs with a curve, in the order of the legend."
)
CAPTION_OF_ONE = (
    "Line: loss of one seed. Crosses: where a run was found to diverge; triangles: where a run leaves the axis upwards. n: "
    "runs with a curve, in the order of the legend."
)
RINGS = " Rings: first spike of a seed by the rule olmo-core or jump."


def loss_figures(sweep: Sweep, analysis: Analysis, shown: Sequence[float] = ()) -> Iterator[Tuple[Figure, Picture]]:
    """A panel per learning rate; where one panel cannot hold all formats, panels of a few with the reference in each, at the
    rates that are shown."""
    if not any(len(run.metrics.steps) for run in sweep.runs):
        return
    groups = sweep.with_reference(sweep.labels)
    best = [rate for rate in (sweep.shown_rate,) if rate is not None]
    rates = evenly_chosen(sweep.rates, MAX_PANELS) if len(groups) == 1 and not shown else list(shown or best)
    spikes = first_spikes(analysis)
    for number, rate_group in enumerate([rates] if len(groups) == 1 else [[rate] for rate in rates]):
        name, title = "loss_curves", "Training loss"
        if len(groups) > 1:
            name += f"_{number + 1}" * (number > 0)
            title = f"{title} at learning rate {sweep.rate_name(rate_group[0])}"
        explained = CAPTION if has_bands(sweep) else CAPTION_OF_ONE
        caption = explained + RINGS * bool(spikes) if number == 0 else "Lines, bands and marks as in the figure before."
        if len(groups) > 1:
            caption += f" {sweep.name(sweep.baseline)} is in every panel. This rate: {sweep.why_of(rate_group[0])}."
        elif len(rates) < len(sweep.rates):
            caption += f" {len(rates)} of {len(sweep.rates)} learning rates are shown."
        figure, parts = draw(sweep, [(labels, rate) for rate in rate_group for labels in groups], spikes)
        handles = legend_handles(sweep, sweep.labels)
        legend_above(figure, handles)
        yield figure, Picture(name, title, caption, parts, handles)


def draw(
    sweep: Sweep, places: Sequence[Tuple[Sequence[str], float]], spikes: Dict[str, int]
) -> Tuple[Figure, List[Part]]:
    """`places`: the formats and the rate of each panel."""
    columns = len(places) if len(places) < 4 else 2 if len(places) == 4 else 3
    figure, axes = panels(len(places), columns)
    low, top = loss_limits(sweep)
    parts = []
    for panel, (labels, rate) in zip(axes, places):
        cells = [cell for cell in (sweep.cell(label, rate) for label in labels) if cell is not None]
        counts = counts_text([len(cell.curves("metrics", "train_loss")) for cell in cells])
        # Where several panels are of one rate, what they are of is their formats.
        of_formats = ", ".join(sweep.name(label) for label in labels)
        is_alone = sum(other == rate for _, other in places) == 1
        set_title(panel, f"learning rate {sweep.rate_name(rate)}  ({counts})" if is_alone else f"{of_formats}  ({counts})")
        draw_floors(panel, sweep.entropy_floors)
        for cell, width in zip(cells, line_widths(len(cells))):
            draw_cell(panel, sweep, cell, (low, top), width, spikes)
        panel.set_ylim(low, top)
        panel.margins(x=0.02)
        panel.set_ylabel("loss (nats per token)")
        panel.set_xlabel("step")
        parts.append(Part(f"Training loss at learning rate {sweep.rate_name(rate)}. {curves_text(sweep, cells)}", [panel]))
    return figure, parts


def curves_text(sweep: Sweep, cells: Sequence[Cell]) -> str:
    curves = [cell.curves("metrics", "train_loss") for cell in cells]
    diverged = [
        f"{sweep.name(cell.label)} {cell.diverged} of {len(cell.ended)}" for cell in cells if cell.diverged
    ]
    text = f"Last medians: {last_medians(sweep, cells, curves)}."
    return text + (f" Diverged: {'; '.join(diverged)}." if diverged else "")


def first_spikes(analysis: Analysis) -> Dict[str, int]:
    """Run id to the step of its first spike."""
    steps: Dict[str, int] = {}
    for label in analysis.labels.get("labels", []):
        if label["rule"] in SPIKE_RULES and label["outcome"] == "yes":
            steps[label["run"]] = min(label["step"], steps.get(label["run"], label["step"]))
    return steps


def draw_cell(
    panel: Axes, sweep: Sweep, cell: Cell, limits: Tuple[float, float], width: float, spikes: Dict[str, int]
) -> None:
    low, top = limits
    highest_cross = top - CROSS_INSET * (top - low)
    colour, line = sweep.styles[cell.label]
    curves = cell.curves("metrics", "train_loss")
    band = decimate(seed_band(curves), COLUMNS)
    if not len(band.steps):
        return
    panel.fill_between(band.steps, band.low, band.high, color=colour, alpha=0.22, linewidth=0.4, zorder=2)
    panel.plot(
        band.steps, band.middle, color=colour, linewidth=width, zorder=3, **series_line(len(band.steps), line)
    )
    beyond = band.high > top
    leaving = beyond & ~np.append(False, beyond[:-1])
    triangle = {"marker": "^", "markersize": 5.5, "linestyle": "none", "transform": panel.get_xaxis_transform()}
    panel.plot(band.steps[leaving], np.full(leaving.sum(), 0.97), color=colour, zorder=4, **triangle)
    for run in cell.runs:
        at = np.flatnonzero(run.metrics.steps == spikes.get(run.id, -1))
        loss_there = run.metrics.get("train_loss")[at]
        if len(at) and math.isfinite(loss_there[0]):
            panel.plot([run.metrics.steps[at[0]]], [min(loss_there[0], highest_cross)], color=colour, zorder=4, **RING)
        if run.diverged:
            step, loss = divergence_point(run)
            panel.plot([step], [min(loss, highest_cross)], color=colour, clip_on=False, zorder=5, **CROSS)


def divergence_point(run: Run) -> Tuple[float, float]:
    """The step of divergence and the last finite loss up to it."""
    steps, losses = run.metrics.steps, run.metrics.get("train_loss")
    step = run.divergence_step if run.divergence_step >= 0 else run.steps_done - 1
    known = losses[(steps <= step) & np.isfinite(losses)]
    return step, float(known[-1]) if len(known) else math.inf


def loss_limits(sweep: Sweep) -> Tuple[float, float]:
    """From under everything to somewhat above the initial loss: a diverging run must not flatten the others."""
    losses = np.concatenate([run.metrics.get("train_loss") for run in sweep.runs])
    losses = losses[np.isfinite(losses)]
    if not len(losses):
        return 0.0, 1.0
    initial = median_or_nan([run.initial_loss for run in sweep.runs])
    low = min([float(losses.min())] + sweep.entropy_floors)
    top = min(float(losses.max()), initial * HEADROOM if initial > 0 else math.inf)
    margin = max(0.04 * (top - low), 1e-3)
    return low - margin, top + margin


def legend_handles(sweep: Sweep, labels: Sequence[str]) -> List[Artist]:
    handles: List[Artist] = list(format_handles(sweep, labels))
    if has_bands(sweep):
        handles.append(Patch(facecolor=GREY, alpha=0.3, label="lowest to highest seed"))
    if any(run.diverged for run in sweep.runs):
        handles.append(divergence_handle())
    return handles + list(floor_handles(sweep.entropy_floors))


def has_bands(sweep: Sweep) -> bool:
    return any(len(cell.runs) > 1 for cell in sweep.cells.values())


def evenly_chosen(values: Sequence[float], most: int) -> List[float]:
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]
