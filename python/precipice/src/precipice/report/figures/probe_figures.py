# SPDX-License-Identifier: Apache-2.0
"""What the probes saw: sharpness over steps, and what the quantizers saturated and flushed, site by site."""

import math
import re
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from precipice.report.describe import last_medians, listed, number
from precipice.report.grouping import Sweep
from precipice.runs.run_files import Run
from precipice.report.statistics import Curve, decimate, seed_band
from precipice.report.figures.style import (
    CROSS,
    Part,
    Picture,
    colour_bar,
    counts_text,
    divergence_handle,
    format_handles,
    legend_above,
    line_widths,
    panels,
    series_line,
    set_log_if_wide,
    set_title,
    wrapped,
)

SHARPNESS = re.compile(r"(last_token|all_tokens)_eps(.+)")
VARIANTS = {"last_token": "last token of each sequence", "all_tokens": "all tokens"}
COLUMNS = 240
MAX_FORMATS = 3  # columns of the tensor figure
OPERANDS = ("x", "w", "dy")
EVENTS = {"saturated": "saturated", "underflowed": "flushed to zero"}
LEAST_FRACTION = 1e-6
FRACTION_SCALE = "from a millionth of the elements, pale, to all of them, dark, on a logarithmic scale"
MAX_PANEL_HEIGHT = 6.0  # inches
MAX_ROW_LABELS = 40
TENSOR_WIDTH = 3.5  # inches


def sharpness_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    rate = sweep.shown_rate
    cells = [cell for cell in sweep.ordered_cells() if cell.learning_rate == rate]
    probed = [run for cell in cells for run in cell.runs if len(run.sharpness.steps)]
    names = {name for run in probed for name in run.sharpness.series}
    epsilons = {match.group(2) for match in map(SHARPNESS.fullmatch, names) if match}
    if rate is None or not epsilons:
        return None
    epsilon = max(epsilons, key=float)
    variants = [variant for variant in VARIANTS if f"{variant}_eps{epsilon}" in names]
    groups = sweep.with_reference([cell.label for cell in cells])
    figure, axes = panels(len(variants) * len(groups), len(variants), width=3.6, height=2.9)
    values, parts = [np.zeros(0)], []
    places = [(labels, variant) for labels in groups for variant in variants]
    for panel, (labels, variant) in zip(axes, places):
        own = [cell for cell in cells if cell.label in labels]
        found = [cell.curves("sharpness", f"{variant}_eps{epsilon}") for cell in own]
        for cell, curves, width in zip(own, found, line_widths(len(own))):
            values += [curve.values[np.isfinite(curve.values)] for curve in curves]
            draw_sharpness(panel, curves, *sweep.styles[cell.label], width)
        set_title(panel, f"{VARIANTS[variant]} ({counts_text([len(curves) for curves in found])})")
        panel.set_xlabel("step")
        panel.set_ylabel(f"sharpness, ε = {epsilon}")
        medians = last_medians(sweep, own, found)
        parts.append(Part(f"Sharpness over the {VARIANTS[variant]}. Last medians: {medians}.", [panel]))
    set_log_if_wide(axes[0], np.concatenate(values))
    handles = format_handles(sweep, [cell.label for cell in cells])
    handles += [divergence_handle()] if any(run.diverged for run in probed) else []
    legend_above(figure, handles)
    caption = (
        "100 (max L − L) / (1 + L), where L is the loss and the maximum is over logits moved by at most ε (|z| + 1) "
        f"(Keskar et al. 2017), in closed form. Shown at learning rate {sweep.rate_name(rate)}, {sweep.why_shown}. "
        + (f"{sweep.name(sweep.baseline)} is in every panel. " if len(groups) > 1 else "")
        + "n: runs, in the order of the legend. Line: median, band: lowest to highest seed, crosses: last value of a "
        "diverged run."
    )
    title = f"Sharpness of the logits at learning rate {sweep.rate_name(rate)}"
    return figure, Picture("sharpness", title, caption, parts, handles, folded=True)


def draw_sharpness(panel: Axes, curves: Sequence[Curve], colour: str, line: str, width: float) -> None:
    band = decimate(seed_band(curves), COLUMNS)
    panel.fill_between(band.steps, band.low, band.high, color=colour, alpha=0.2, linewidth=0.4)
    known = int(np.isfinite(band.middle).sum())
    panel.plot(band.steps, band.middle, color=colour, linewidth=width, **series_line(known, line))
    for curve in curves:
        known = np.flatnonzero(np.isfinite(curve.values))
        if curve.diverged and len(known):
            panel.plot([curve.steps[known[-1]]], [curve.values[known[-1]]], color=colour, clip_on=False, **CROSS)


def tensor_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    probed = [run for run in representative_runs(sweep) if any(event_rows(run, event) for event in EVENTS)]
    runs = [run for run in probed if row_names([run])][:MAX_FORMATS]
    if not runs:
        return None
    rows = row_names(runs)
    heights = [min(0.15 * len(names), MAX_PANEL_HEIGHT) + 0.75 for names in rows.values()]
    figure = Figure(figsize=(max(TENSOR_WIDTH * len(runs), 4.8), sum(heights) + 0.9))
    grid = figure.subplots(len(rows), len(runs), squeeze=False, height_ratios=heights)
    parts = []
    for line, (event, names) in enumerate(rows.items()):
        labelled = range(0, len(names), math.ceil(len(names) / MAX_ROW_LABELS))
        for column, run in enumerate(runs):
            axes = grid[line][column]
            image = draw_events(axes, run, event, names)
            set_title(axes, f"{sweep_label(sweep, run)}: {EVENTS[event]} (n = 1)")
            axes.set_yticks(labelled, [wrapped(names[row], 500) for row in labelled], fontsize=8)
            axes.set_xlabel("step")
            parts.append(Part(f"{sweep_label(sweep, run)}, {EVENTS[event]}. {events_text(run, event)}", [axes]))
    parts.append(colour_bar(figure, image, grid, "fraction of elements", FRACTION_SCALE, extend="min"))
    described = "; ".join(f"{sweep_label(sweep, run)}: run {run.id}, seed {run.seed}, {run.state}" for run in runs)
    quiet = [sweep_label(sweep, run) for run in probed if not row_names([run])]
    without = f" Nothing was saturated or flushed in: {', '.join(quiet)}." if quiet else ""
    without += "".join(f" Nothing was {words} in any." for event, words in EVENTS.items() if event not in rows)
    caption = (
        f"n = 1 run per format, at learning rate {sweep.rate_name(sweep.shown_rate)}, {sweep.why_shown}. Rows: site of the matrix product and "
        "operand (x: input, w: weight, dy: gradient of the output), where anything happened. White: fewer than one "
        f"element in a million; grey: not measured. {described}.{without}"
    )
    return figure, Picture("tensors", "Saturated and flushed elements by site", caption, parts, folded=True)


def events_text(run: Run, event: str) -> str:
    """The rows with the largest fractions."""
    found = [(float(np.nanmax(values)), name) for name, values in event_rows(run, event)]
    found = sorted((pair for pair in found if pair[0] >= LEAST_FRACTION), reverse=True)
    return f"Largest fractions: {listed([f'{name} {number(most, 2)}' for most, name in found], 5)}."


def draw_events(axes: Axes, run: Run, event: str, names: Sequence[str]) -> AxesImage:
    table = np.full((len(names), len(run.tensors.steps)), np.nan)
    for name, values in event_rows(run, event):
        if name not in names:
            continue
        table[names.index(name)] = np.maximum(values, LEAST_FRACTION / 10)  # 0 has no place on a log scale
    # Equal weight to every recorded step: steps lie evenly, but for the last.
    steps = run.tensors.steps.astype(float)
    half = (steps[-1] - steps[0]) / max(len(steps) - 1, 1) / 2 or 0.5
    axes.set_facecolor("#d9d9d9")
    image = axes.imshow(
        np.ma.masked_invalid(table),
        aspect="auto",
        interpolation="nearest",
        cmap=fraction_colours(),
        norm=LogNorm(LEAST_FRACTION, 1),
        extent=(steps[0] - half, steps[-1] + half, len(names) - 0.5, -0.5),
    )
    axes.grid(False)
    axes.tick_params(axis="y", length=0)
    return image


def fraction_colours() -> Colormap:
    colours = colormaps["viridis_r"].copy()
    colours.set_under("white")
    return colours


def event_rows(run: Run, event: str) -> List[Tuple[str, np.ndarray]]:
    """(site operand, fraction at each step) for each site of each operand that was quantized at all."""
    rows = []
    for operand in OPERANDS:
        table = run.tensors.series.get(f"{operand}_{event}")
        for position, site in enumerate(run.tensors.sites):
            if (
                table is not None
                and table.shape[1:] == (len(run.tensors.sites),)
                and np.isfinite(table[:, position]).any()
            ):
                rows.append((f"{site} {operand}", table[:, position]))
    return rows


def row_names(runs: Sequence[Run]) -> Dict[str, List[str]]:
    """By event the rows in which any run has anything; the others would fill a page with white."""
    names: Dict[str, Dict[str, None]] = {}
    for event in EVENTS:
        for run in runs:
            for name, values in event_rows(run, event):
                if np.nanmax(values) >= LEAST_FRACTION:
                    names.setdefault(event, {})[name] = None
    return {event: list(found) for event, found in names.items()}


def representative_runs(sweep: Sweep) -> List[Run]:
    """For each format the run of the lowest seed at the shown learning rate."""
    return runs_at_shown_rate(sweep, needs_tensors=True)


def runs_at_shown_rate(sweep: Sweep, needs_tensors: bool = False) -> List[Run]:
    """The reference first: figures that have room for a few formats show it beside others."""
    chosen = []
    rate = sweep.shown_rate
    for label in sorted(sweep.labels, key=lambda label: label != sweep.baseline):
        cell = sweep.cell(label, rate) if rate is not None else None
        runs = [run for run in (cell.runs if cell else []) if len(run.tensors.steps) or not needs_tensors]
        chosen += sorted(runs, key=lambda run: (str(type(run.seed)), run.seed))[:1]
    return chosen


def sweep_label(sweep: Sweep, run: Run) -> str:
    return next((sweep.name(cell.label) for cell in sweep.ordered_cells() if run in cell.runs), run.id)
