# SPDX-License-Identifier: Apache-2.0
"""Final validation losses: against the learning rate (the U-curve), or by format where there is one rate only."""

import math
from collections import Counter
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from precipice.report.describe import listed
from precipice.report.grouping import Sweep
from precipice.report.figures.rate_axis import RateAxis
from precipice.runs.run_files import Run
from precipice.report.statistics import Cell, drawn_losses, median_or_nan
from precipice.report.figures.style import (
    CROSS,
    FEWEST_FOR_A_LINE,
    FLOOR_LINE,
    INK,
    UNIGRAM_LINE,
    Part,
    Picture,
    divergence_handle,
    draw_floors,
    floor_handles,
    format_handles,
    legend_above,
    panels,
    row_names,
    unigram_handles,
)

WIDTH, HEIGHT = 4.8, 3.6  # inches
AXES_POINTS = 72 * (WIDTH - 0.9), 72 * (HEIGHT - 0.8)  # of the axes themselves, about
LINE_POINTS = 10  # of a row of counts
MOST_COUNT_ROWS = 4
COUNT_WIDTH = 30  # points of a count such as 12/12
DOT: Dict[str, Any] = {"markersize": 5, "markeredgewidth": 0.6, "linestyle": "none", "zorder": 4}
NOT_LEARNED = {"untrained": "untrained", "skipped": "half of its steps skipped"}


def final_loss_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    cells = [cell for cell in sweep.ordered_cells() if np.isfinite(drawn_losses(cell.runs)).any()]
    if not cells or len(sweep.rates) < 2:
        return None
    figure, (axes,) = panels(1, 1, width=WIDTH, height=HEIGHT)
    draw_floors(axes, sweep.entropy_floors)
    for floor in sweep.unigram_floors:
        axes.axhline(floor, zorder=1, **UNIGRAM_LINE)
    scale = RateAxis(sweep.rates, len(sweep.labels))
    for position, label in enumerate(sweep.labels):
        draw_format(axes, sweep, scale, position, [cell for cell in cells if cell.label == label])
    rows = count_rows(sweep, cells, scale)
    set_loss_limits(axes, cells, sweep.entropy_floors + sweep.unigram_floors, rows)
    if rows:
        draw_counts(axes, sweep, cells)
    axes.set_ylabel("final validation loss\n(nats per token)")
    scale.show(axes, sweep, AXES_POINTS[0])
    handles = loss_handles(sweep, cells)
    legend_above(figure, handles)
    lines = crosses = ""
    if joined_labels(sweep, cells):
        lines = " Line: median over all seeds that ended, in order, a diverged run behind every number; none where half diverged."
    if any(cell.diverged for cell in cells):
        crosses = " Crosses: diverged runs, drawn at the initial loss" + ("." if rows else "; how many is in the map below.")
    caption = (
        "n: seeds that ended at a rate. Each dot is one seed; dots of different formats are set side by side within a "
        "twentieth of the way to the next rate." + lines + crosses
    )
    return figure, Picture(
        "final_loss",
        "Final validation loss against the learning rate",
        caption,
        [Part(f"Final validation loss against the learning rate. {best_losses(sweep, cells)}", [axes])],
        handles,
    )


def draw_format(axes: Axes, sweep: Sweep, scale: RateAxis, position: int, cells: Sequence[Cell]) -> None:
    if not cells:
        return
    colour, line = sweep.styles[cells[0].label]
    rates = [scale.beside(cell.learning_rate, position) for cell in cells]
    medians = [cell.median_loss for cell in cells]
    if joined_labels(sweep, cells):
        axes.plot(rates, medians, color=colour, linestyle=line)
    for rate, cell in zip(rates, cells):
        draw_dots(axes, sweep, cell, lambda losses: ([rate] * len(losses), losses))
        cap = initial_loss_of_diverged(cell)
        if math.isfinite(cap):
            axes.plot([rate], [cap], color=colour, zorder=5, **CROSS)


def draw_dots(axes: Axes, sweep: Sweep, cell: Cell, places: Any) -> None:
    """One dot per seed that has a final loss; hollow where the run did not learn."""
    colour, marker = sweep.styles[cell.label][0], sweep.marker(cell.label)
    for hollow in (False, True):
        losses = [run.final_loss for run in cell.ended if has_loss(run) and (run.state in NOT_LEARNED) == hollow]
        face, edge = ("white", colour) if hollow else (colour, "white")
        axes.plot(*places(losses), marker=marker, color=face, markeredgecolor=edge, **DOT)


def has_loss(run: Run) -> bool:
    return not run.diverged and math.isfinite(run.final_loss)


def initial_loss_of_diverged(cell: Cell) -> float:
    return median_or_nan([run.initial_loss for run in cell.ended if run.diverged])


def count_rows(sweep: Sweep, cells: Sequence[Cell], scale: RateAxis) -> int:
    """How many counts of diverged seeds stand over one another at a rate; 0 where they would not fit."""
    most = max(sum(cell.diverged > 0 for cell in cells if cell.learning_rate == rate) for rate in sweep.rates)
    span = scale.place(scale.rates[-1]) - scale.place(scale.rates[0]) + scale.gap
    return most if most <= MOST_COUNT_ROWS and AXES_POINTS[0] * scale.gap / span > COUNT_WIDTH else 0


def draw_counts(axes: Axes, sweep: Sweep, cells: Sequence[Cell]) -> None:
    for rate in sweep.rates:
        diverged = [cell for cell in cells if cell.learning_rate == rate and cell.diverged]
        for row, cell in enumerate(diverged):
            axes.annotate(
                f"{cell.diverged}/{len(cell.ended)}",
                (rate, 1),
                xycoords=axes.get_xaxis_transform(),
                xytext=(0, -1 - LINE_POINTS * row),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=8,
                color=sweep.styles[cell.label][0],
            )


def set_loss_limits(axes: Axes, cells: Sequence[Cell], floors: Sequence[float], rows: int) -> None:
    """From what is drawn, with room for rows of counts above it."""
    drawn = list(floors)
    for cell in cells:
        drawn += [run.final_loss for run in cell.ended if has_loss(run)]
        drawn += [value for value in (initial_loss_of_diverged(cell), cell.median_loss) if math.isfinite(value)]
    low, high = min(drawn), max(drawn)
    margin = 0.05 * (high - low) + 1e-3
    kept = 1 - (LINE_POINTS * rows + 2) / AXES_POINTS[1]
    axes.set_ylim(low - margin, low - margin + (high - low + 2 * margin) / kept)


def joined_labels(sweep: Sweep, cells: Sequence[Cell]) -> List[str]:
    """Formats whose medians are joined by a line."""
    counts = Counter(cell.label for cell in cells if math.isfinite(cell.median_loss))
    return [label for label in sweep.labels if counts[label] >= FEWEST_FOR_A_LINE]


def loss_handles(sweep: Sweep, cells: Sequence[Cell]) -> List[Artist]:
    handles: List[Artist] = []
    joined = joined_labels(sweep, cells)
    for handle, label in zip(format_handles(sweep, sweep.labels), sweep.labels):
        counts = sorted({len(cell.ended) for cell in cells if cell.label == label}) or [0]
        handle.set_label(f"{sweep.name(label)} (n = {'–'.join(map(str, dict.fromkeys((counts[0], counts[-1]))))})")
        handle.set_marker(sweep.marker(label))
        handle.set_markersize(5)
        if label not in joined:
            handle.set_linestyle("none")
        handles.append(handle)
    states = {run.state for cell in cells for run in cell.ended}
    for state, words in NOT_LEARNED.items():
        if state in states:
            dot = {"marker": "o", "markerfacecolor": "none", "linestyle": "none", "markersize": 5}
            handles.append(Line2D([], [], color=INK, label=f"one seed, {words}", **dot))
    if any(cell.diverged for cell in cells):
        handles.append(divergence_handle("diverged, at the initial loss"))
    return handles + list(floor_handles(sweep.entropy_floors)) + list(unigram_handles(sweep.unigram_floors))


def best_losses(sweep: Sweep, cells: Sequence[Cell]) -> str:
    """Of each format the lowest median with its rate, and how many diverged over all rates."""
    sentences = []
    for label in sweep.labels:
        own = [cell for cell in cells if cell.label == label]
        known = [cell for cell in own if math.isfinite(cell.median_loss)]
        if not known:
            if own:
                sentences.append(f"{sweep.name(label)} none ({sum(cell.diverged for cell in own)} of {sum(len(cell.ended) for cell in own)} runs diverged)")
            continue
        best = min(known, key=lambda cell: cell.median_loss)
        text = f"{sweep.name(label)} {best.median_loss:.3f} at {sweep.rate_name(best.learning_rate)}"
        diverged, ended = sum(cell.diverged for cell in own), sum(len(cell.ended) for cell in own)
        sentences.append(text + (f" ({diverged} of {ended} runs diverged)" if diverged else ""))
    floors = ", ".join(f"{floor:.3f}" for floor in sweep.entropy_floors)
    return f"Lowest medians: {listed(sentences)}." + (f" Entropy floor: {floors}." if floors else "")


def loss_by_format_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    """One rate, several formats: a row of seeds for each."""
    cells = [cell for cell in sweep.ordered_cells() if np.isfinite(drawn_losses(cell.runs)).any()]
    if len(sweep.rates) != 1 or len(cells) < 2:
        return None
    figure, (axes,) = panels(1, 1, width=WIDTH, height=0.9 + 0.42 * len(cells))
    for floor in sweep.entropy_floors:
        axes.axvline(floor, zorder=1, **FLOOR_LINE)
    for floor in sweep.unigram_floors:
        axes.axvline(floor, zorder=1, **UNIGRAM_LINE)
    for row, cell in enumerate(cells):
        colour = sweep.styles[cell.label][0]
        draw_dots(axes, sweep, cell, lambda losses: (losses, [row] * len(losses)))
        if math.isfinite(cell.median_loss):
            axes.plot([cell.median_loss] * 2, [row - 0.25, row + 0.25], color=colour, linewidth=2.2, zorder=3)
        cap = initial_loss_of_diverged(cell)
        if math.isfinite(cap):
            axes.plot([cap], [row], color=colour, zorder=5, **CROSS)
            place = {"xytext": (7, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(f"{cell.diverged}/{len(cell.ended)}", (cap, row), color=colour, fontsize=8, **place)
    names = row_names([sweep.name(cell.label) for cell in cells], [len(cell.ended) for cell in cells])
    axes.set_yticks(range(len(cells)), names)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.margins(x=0.08)
    axes.set_xlabel("final validation loss (nats per token)")
    handles = [handle for handle in loss_handles(sweep, cells) if "(n = " not in str(handle.get_label())]
    if handles:
        legend_above(figure, handles)
    rate = sweep.rate_name(sweep.rates[0])
    return figure, Picture(
        "final_loss",
        f"Final validation loss by format at learning rate {rate}",
        "n: seeds that ended. Each dot is one seed; the stroke is the median over all seeds that ended, in order, a diverged run "
        "behind every number; none where half diverged. Crosses: diverged runs, drawn at the initial loss and counted.",
        [Part(f"Final validation loss by format. {best_losses(sweep, cells)}", [axes])],
        handles,
    )
