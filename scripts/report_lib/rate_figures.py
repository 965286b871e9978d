# SPDX-License-Identifier: Apache-2.0
"""What a learning rate leads to: final validation loss (the U-curve) and fraction of diverged seeds, per format."""

import math
from typing import Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from report_lib.grouping import Sweep
from report_lib.loss_figures import HEADROOM
from report_lib.statistics import Cell, capped_losses, median_or_nan
from report_lib.style import (
    CROSS,
    GREY,
    INK,
    Picture,
    divergence_handle,
    draw_floors,
    floor_handles,
    format_handles,
    legend_above,
    panels,
    rate_text,
    show_rates,
)

# White to vermillion: one hue, lightness alone tells the fraction.
FRACTIONS = LinearSegmentedColormap.from_list("fractions", ["#ffffff", "#f6c9a8", "#D55E00", "#7a3300"])


def final_loss_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    cells = [cell for cell in sweep.ordered_cells() if cell.ended]
    losses = np.concatenate([capped_losses(cell.runs) for cell in cells]) if cells else np.zeros(0)
    losses = losses[np.isfinite(losses)]
    if not len(losses):
        return None
    figure, (axes,) = panels(1, 1, width=6.6, height=4.2)
    draw_floors(axes, sweep.entropy_floors)
    for label in sweep.labels:
        draw_format(axes, sweep, [cell for cell in cells if cell.label == label])
    initial = median_or_nan([run.initial_loss for run in sweep.runs])
    low = min([float(losses.min())] + sweep.entropy_floors)
    high = min(float(losses.max()), initial * HEADROOM if math.isfinite(initial) else math.inf)
    axes.set_ylim(low - 0.05 * (high - low) - 1e-3, high + 0.14 * (high - low) + 1e-3)
    axes.set_ylabel("final validation loss (nats per token)")
    show_rates(axes, sweep.rates)
    handles = format_handles(sweep, sweep.labels)
    for handle, label in zip(handles, sweep.labels):
        counts = sorted({len(cell.ended) for cell in cells if cell.label == label}) or [0]
        handle.set_label(f"{label} (n = {'–'.join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))})")
    handles.append(Line2D([], [], color=INK, marker="o", linestyle="none", markersize=5, label="one seed"))
    if any(cell.diverged for cell in cells):
        handles.append(divergence_handle("diverged n/N, at the initial loss"))
    legend_above(figure, handles + floor_handles(sweep.entropy_floors))
    caption = (
        "n: seeds that ended at a rate. Each dot is one seed; dots of different formats are set side by side. Line: median over all seeds that ended, "
        "in which a diverged run counts with its initial loss. Crosses: diverged runs, drawn at the initial loss and "
        "counted."
    )
    return figure, Picture("final_loss", "Final validation loss against the learning rate", caption)


def draw_format(axes: Axes, sweep: Sweep, cells: Sequence[Cell]) -> None:
    if not cells:
        return
    label = cells[0].label
    colour, line = sweep.styles[label]
    rates = [dodged(sweep, label, cell.learning_rate) for cell in cells]
    axes.plot(rates, [cell.median_loss for cell in cells], color=colour, linestyle=line)
    dot = {"marker": "o", "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.6, "linestyle": "none"}
    for rate, cell in zip(rates, cells):
        losses = [run.final_loss for run in cell.ended if not run.diverged]
        axes.plot([rate] * len(losses), losses, color=colour, zorder=4, **dot)
        if not cell.diverged:
            continue
        cap = median_or_nan([run.initial_loss for run in cell.ended if run.diverged])
        axes.plot([rate], [cap], color=colour, clip_on=False, zorder=5, **CROSS)
        place = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "va": "bottom", "rotation": 90}
        axes.annotate(f"{cell.diverged}/{len(cell.ended)}", (rate, cap), color=colour, fontsize=8, **place)


def dodged(sweep: Sweep, label: str, rate: float) -> float:
    """The rate, moved aside a little, so that formats do not hide each other."""
    if rate <= 0:
        return rate
    steps = np.diff(np.log([r for r in sweep.rates if r > 0]))
    gap = float(steps.min()) if len(steps) else 1.0
    position = sweep.labels.index(label) - (len(sweep.labels) - 1) / 2
    return rate * math.exp(position * 0.6 * gap / max(len(sweep.labels), 4))


def divergence_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    if not any(run.ended for run in sweep.runs) or not sweep.labels:
        return None
    width = max(4.6, 1.9 + 0.85 * len(sweep.rates))
    figure, (axes,) = panels(1, 1, width=width, height=1.1 + 0.46 * len(sweep.labels))
    fractions = np.full((len(sweep.labels), len(sweep.rates)), np.nan)
    for row, label in enumerate(sweep.labels):
        for column, rate in enumerate(sweep.rates):
            cell = sweep.cell(label, rate)
            ended = len(cell.ended) if cell else 0
            if cell and ended:
                fractions[row, column] = cell.diverged / ended
            text = f"{cell.diverged}/{ended}" if cell and ended else "none"
            dark = fractions[row, column] > 0.55
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=10,
                color="white" if dark else INK if ended else GREY,
            )
    image = axes.imshow(np.ma.masked_invalid(fractions), cmap=FRACTIONS, vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(sweep.rates)), [rate_text(rate) for rate in sweep.rates])
    axes.set_yticks(range(len(sweep.labels)), sweep.labels)
    axes.set_xticks(np.arange(len(sweep.rates) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(sweep.labels) + 1) - 0.5, minor=True)
    axes.grid(False)
    axes.grid(which="minor", color="#bbbbbb", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("learning rate")
    bar = figure.colorbar(image, ax=axes, ticks=[0, 0.5, 1], pad=0.02, aspect=12)
    bar.set_label("fraction diverged")
    bar.outline.set_visible(False)
    return figure, Picture(
        "divergence",
        "Fraction of seeds that diverged",
        (
            "n/N: n of the N runs that ended diverged. Runs that failed, were interrupted or still run are in neither "
            "number; 95% Wilson intervals are in the table."
        ),
    )
