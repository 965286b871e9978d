# SPDX-License-Identifier: Apache-2.0
"""What the online metrics saw at one learning rate: critical sharpness against 2 / learning rate, curvature against the
edge of stability, attention logits, kurtosis, the error of the gradient, and whatever else a run has measured once a step."""

import re
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from precipice.report.describe import last_medians
from precipice.report.grouping import Sweep
from precipice.report.figures.probe_figures import draw_sharpness
from precipice.runs.run_files import Run
from precipice.report.statistics import Cell, Curve
from precipice.report.figures.style import (
    FLOOR_LINE,
    Part,
    Picture,
    counts_text,
    divergence_handle,
    format_handles,
    legend_above,
    line_widths,
    panels,
    set_log_if_wide,
    set_title,
)


@dataclass
class Panel:
    group: str
    series: str
    title: str
    limit: str = ""  # what the dashed line is


PANELS = (
    Panel("critical", "critical_sharpness", "critical sharpness", "2 / learning rate"),
    Panel("edge", "edge_of_stability_ratio", "curvature / edge of stability", "1"),
    Panel("attention", "max_attention_logit", "largest attention logit"),
    Panel("activations", "x_kurtosis", "largest kurtosis of x"),
    Panel("gradient_error", "zeta_norm", "error of the gradient, ζ"),
    Panel("noise", "gradient_noise_scale", "gradient noise scale, sequences"),
)
ELSEWHERE = ("lbfgs",)  # groups that have a figure of their own
PLAIN = re.compile(r"[a-z][a-z0-9_]{0,39}")  # names that the program gives
MAX_OTHERS = 6


def online_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    rate = sweep.shown_rate
    cells = [cell for cell in sweep.ordered_cells() if cell.learning_rate == rate]
    shown = [panel for panel in (*PANELS, *other_panels(cells)) if any(curves_of(cell, panel) for cell in cells)]
    if rate is None or not shown:
        return None
    # Each quantity has its own axis, which all formats share.
    figure, axes = panels(len(shown), min(len(shown), 3), share_y=False)
    parts = [draw_panel(place, panel, sweep, cells) for panel, place in zip(shown, axes)]
    handles = format_handles(sweep, [cell.label for cell in cells])
    if any(run.diverged for cell in cells for run in cell.runs):
        handles.append(divergence_handle())
    limits = [panel.limit for panel in shown if panel.limit]
    if limits:
        handles.append(Line2D([], [], label="limit: " + " or ".join(limits), **FLOOR_LINE))
    legend_above(figure, handles)
    caption = (
        f"At learning rate {sweep.rate_name(rate)}, {sweep.why_shown}. n: runs with a value, in the order of the legend. "
        "Line: median, band: lowest to highest seed, crosses: last value of a diverged run. Of layers and sites "
        "the largest. Critical sharpness: 2 over the smallest learning rate that raises the loss along the update; above "
        "the dashed line the update taken raises it. ζ: squared norm of the gradient's difference to fp32, relative."
    )
    title = f"Stability during training at learning rate {sweep.rate_name(rate)}"
    return figure, Picture("online", title, caption, parts, handles, folded=True)


def other_panels(cells: Sequence[Cell]) -> List[Panel]:
    """One for each series of a group that no panel above is about, under the series' own name."""
    known = {panel.group for panel in PANELS}.union(ELSEWHERE)
    found = {
        (name, series)
        for cell in cells
        for run in cell.runs
        for name, group in run.probes.items()
        for series in group.series
        if name not in known and not group.sites and PLAIN.fullmatch(series)
    }
    return [Panel(name, series, series.replace("_", " ")) for name, series in sorted(found)[:MAX_OTHERS]]


def draw_panel(axes: Axes, panel: Panel, sweep: Sweep, cells: Sequence[Cell]) -> Part:
    values = [np.zeros(0)]
    found = [curves_of(cell, panel) for cell in cells]
    for cell, curves, width in zip(cells, found, line_widths(len(cells))):
        if curves:
            values += [curve.values[np.isfinite(curve.values)] for curve in curves]
            draw_sharpness(axes, curves, *sweep.styles[cell.label], width)
    if panel.limit:
        values.append(draw_limit(axes, panel, cells))
    set_log_if_wide(axes, np.concatenate(values))
    set_title(axes, f"{panel.title} ({counts_text([len(curves) for curves in found])})")
    axes.set_xlabel("step")
    return Part(f"{panel.title.capitalize()}. Last medians: {last_medians(sweep, cells, found)}.", [axes])


def draw_limit(axes: Axes, panel: Panel, cells: Sequence[Cell]) -> np.ndarray:
    """What was drawn: the line belongs to the picture's range."""
    if panel.limit == "1":
        axes.axhline(1, **FLOOR_LINE)
        return np.ones(1)
    for run in (run for cell in cells for run in cell.runs if curve_of(run, panel)):
        rates = run.metrics.get("learning_rate")
        known = rates > 0
        if known.any():
            axes.plot(run.metrics.steps[known], 2 / rates[known], zorder=1, **FLOOR_LINE)
            return 2 / rates[known]
    return np.zeros(0)


def curves_of(cell: Cell, panel: Panel) -> List[Curve]:
    return [curve for curve in (curve_of(run, panel) for run in cell.runs) if curve is not None]


def curve_of(run: Run, panel: Panel) -> Optional[Curve]:
    group = run.probes.get(panel.group)
    if group is None or not len(group.steps) or panel.series not in group.series:
        return None
    table = group.series[panel.series].reshape(len(group.steps), -1)
    known = np.isfinite(table).any(axis=1) if table.size else np.zeros(len(group.steps), dtype=bool)
    if not known.any():
        return None
    # fmax keeps what is known where another layer has none.
    values = np.full(len(group.steps), np.nan)
    values[known] = np.fmax.reduce(table[known], axis=1)
    return Curve(group.steps, values, run.diverged)
