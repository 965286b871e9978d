# SPDX-License-Identifier: Apache-2.0
"""Maps by format and learning rate: the fraction of seeds that diverged, and beside it the median final loss; cells with runs
that learned nothing are hatched in both."""

import math
from collections import Counter
from typing import List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from precipice.report.describe import listed
from precipice.report.grouping import Sweep
from precipice.report.statistics import Cell
from precipice.report.figures.style import GREY, INK, Part, Picture, colour_bar, legend_above, text_points, wrapped

# White to vermillion: one hue, lightness alone tells the fraction.
FRACTIONS = LinearSegmentedColormap.from_list("fractions", ["#ffffff", "#f6c9a8", "#D55E00", "#7a3300"])
LOSSES = LinearSegmentedColormap.from_list("losses", ["#f6f7f1", "#c3cfa9", "#6f9457", "#23401f"])
CELL_WIDTH, CELL_HEIGHT = 0.72, 0.48  # inches: no map is smaller, however many there are
MOST_RATES = 5  # of one panel; further rates get a panel of their own, so that each fits a phone
LEAST_MAP = 1.75  # inches: a title and a bar of colours fit it
NAME_POINTS = 110  # names of formats are wrapped at this width
DARK = 0.55  # fraction from which the text is white
HATCHES = {"untrained": "////", "skipped": "\\\\\\\\"}
MEANINGS = {
    "untrained": "some untrained: ended without learning more than the frequencies of the tokens",
    "skipped": "some skipped: their loss scale skipped half or more of the steps",
}
HATCH_COLOUR = "#3b6fb0"


def divergence_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    if sweep.is_single_cell() or not any(run.ended for run in sweep.runs):
        return None
    parts = -(-len(sweep.rates) // MOST_RATES)
    size = -(-len(sweep.rates) // parts)
    groups = [sweep.rates[start : start + size] for start in range(0, len(sweep.rates), size)]
    names = [wrapped(sweep.name(label), NAME_POINTS, 9) for label in sweep.labels]
    margin = max(text_points(line, 9) for name in names for line in name.split("\n")) / 72 + 0.3
    losses = LossScale(sweep)
    kinds = 2 if losses.is_known else 1
    columns = kinds if kinds > 1 else min(len(groups), 2)
    rows = math.ceil(kinds * len(groups) / columns)
    width = margin + max(size * CELL_WIDTH, LEAST_MAP)
    height = CELL_HEIGHT * len(sweep.labels) + 0.75
    figure = Figure(figsize=(max(columns * width, 4.2), rows * height + 1.0))
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    found = set()
    pieces: List[Part] = []
    for index, rates in enumerate(groups):
        place = axes[kinds * index]
        found |= draw_map(place, sweep, rates, names)
        pieces.append(Part(f"Map of outcomes. {map_text(sweep, rates)}", [place]))
        if kinds > 1:
            place.set_title("diverged")
            beside = axes[kinds * index + 1]
            draw_losses(beside, sweep, rates, names, losses)
            beside.set_title("median final loss")
            pieces.append(Part(f"Map of median final losses. {losses_text(sweep, rates)}", [beside]))
    for spare in axes[kinds * len(groups) :]:
        spare.set_visible(False)
    mapped = ScalarMappable(Normalize(0, 1), FRACTIONS)
    scale = "white where no run diverged, dark where all did"
    fraction_axes = [axes[kinds * index] for index in range(len(groups))]
    pieces.append(colour_bar(figure, mapped, fraction_axes, "fraction diverged", scale, ticks=[0, 0.5, 1]))
    if kinds > 1:
        loss_axes = [axes[kinds * index + 1] for index in range(len(groups))]
        scale = "pale for the lowest loss, dark for the highest"
        pieces.append(colour_bar(figure, losses.mapped, loss_axes, "median loss", scale))
    handles = [outcome_handle(state) for state in HATCHES if state in found]
    if handles:
        legend_above(figure, handles)
    counted = " Runs that are untrained or skipped are in N, not in n, and counted below it." if found else ""
    beside = " Losses: the middle one in order, a diverged run behind every number; ×: half or more diverged." * (kinds > 1)
    return figure, Picture(
        "divergence",
        "Fraction of seeds that diverged" + ", and median final loss" * (kinds > 1),
        "n/N: n of the N runs that ended diverged. Runs that failed, were interrupted or still run are in neither number; "
        "95% Wilson intervals are in the table." + beside + counted,
        pieces,
        handles,
    )


class LossScale:
    """The colours of all maps of losses in one figure."""

    def __init__(self, sweep: Sweep):
        known = [cell.median_loss for cell in sweep.ordered_cells() if math.isfinite(cell.median_loss)]
        self.is_known = len(known) > 1
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        self.norm = Normalize(low, high if high > low else low + 1e-9)
        self.mapped = ScalarMappable(self.norm, LOSSES)


def draw_losses(axes: Axes, sweep: Sweep, rates: Sequence[float], names: Sequence[str], scale: LossScale) -> None:
    values = np.full((len(sweep.labels), len(rates)), np.nan)
    for row, label in enumerate(sweep.labels):
        for column, rate in enumerate(rates):
            cell = sweep.cell(label, rate)
            if not cell or not cell.ended:
                axes.text(column, row, "none", ha="center", va="center", color=GREY)
                continue
            values[row, column] = cell.median_loss
            hatch_cell(axes, row, column, cell)
            known = math.isfinite(cell.median_loss)
            colour = "white" if known and scale.norm(cell.median_loss) > DARK else INK
            face = LOSSES(scale.norm(cell.median_loss)) if known else "white"
            ground = {"boxstyle": "round,pad=0.12", "facecolor": face, "edgecolor": "none"}
            text = f"{cell.median_loss:.3f}" if known else "×"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8.5, bbox=ground)
    axes.imshow(np.ma.masked_invalid(values), cmap=LOSSES, norm=scale.norm, aspect="auto")
    set_cells(axes, sweep, rates, names)


def losses_text(sweep: Sweep, rates: Sequence[float]) -> str:
    cells = [cell for cell in sweep.ordered_cells() if cell.learning_rate in rates and math.isfinite(cell.median_loss)]
    if not cells:
        return "No cell has a median."
    low, high = min(cells, key=lambda cell: cell.median_loss), max(cells, key=lambda cell: cell.median_loss)
    return "; ".join(
        f"{word} {cell.median_loss:.3f} ({sweep.name(cell.label)} at {sweep.rate_name(cell.learning_rate)})"
        for word, cell in (("lowest", low), ("highest", high))
    ) + "."


def hatch_cell(axes: Axes, row: int, column: int, cell: Cell) -> Counter:
    """Marks a cell with runs that learned nothing; returns how many there are by state."""
    apart = Counter(run.state for run in cell.ended if run.state in HATCHES)
    for state in apart:
        hatch = {"fill": False, "hatch": HATCHES[state], "edgecolor": HATCH_COLOUR, "linewidth": 0}
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **hatch))
    return apart


def outcome_handle(state: str) -> Patch:
    return Patch(facecolor="white", edgecolor=HATCH_COLOUR, hatch=HATCHES[state], label=MEANINGS[state])


def draw_map(axes: Axes, sweep: Sweep, rates: Sequence[float], names: Sequence[str]) -> set:
    """Returns the states other than done and diverged that occur."""
    fractions = np.full((len(sweep.labels), len(rates)), np.nan)
    found = set()
    for row, label in enumerate(sweep.labels):
        for column, rate in enumerate(rates):
            cell = sweep.cell(label, rate)
            ended = len(cell.ended) if cell else 0
            if not cell or not ended:
                axes.text(column, row, "none", ha="center", va="center", color=GREY)
                continue
            fractions[row, column] = cell.diverged / ended
            apart = hatch_cell(axes, row, column, cell)
            found |= set(apart)
            text = "\n".join([f"{cell.diverged}/{ended}"] + [f"{count} {state}" for state, count in apart.items()])
            colour = "white" if fractions[row, column] > DARK else INK
            ground = {"boxstyle": "round,pad=0.15", "facecolor": FRACTIONS(fractions[row, column]), "edgecolor": "none"}
            size = {"fontsize": 7.5 if apart else 10, "bbox": ground if apart else None}
            axes.text(column, row, text, ha="center", va="center", color=colour, **size)
    axes.imshow(np.ma.masked_invalid(fractions), cmap=FRACTIONS, vmin=0, vmax=1, aspect="auto")
    set_cells(axes, sweep, rates, names)
    return found


def set_cells(axes: Axes, sweep: Sweep, rates: Sequence[float], names: Sequence[str]) -> None:
    axes.set_xticks(range(len(rates)), [wrapped(sweep.rate_name(rate), 72 * CELL_WIDTH - 4, 9) for rate in rates])
    axes.set_yticks(range(len(sweep.labels)), names)
    axes.set_xticks(np.arange(len(rates) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(sweep.labels) + 1) - 0.5, minor=True)
    axes.grid(False)
    axes.grid(which="minor", color="#bbbbbb", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("learning rate")


def map_text(sweep: Sweep, rates: Sequence[float]) -> str:
    """The cells in which something other than a finished run is, and how many there are in all."""
    phrases, ended = [], 0
    for label in sweep.labels:
        for rate in rates:
            cell = sweep.cell(label, rate)
            if not cell or not cell.ended:
                continue
            ended += 1
            apart = Counter(run.state for run in cell.ended if run.state in HATCHES)
            words = [f"{cell.diverged} of {len(cell.ended)} diverged"] * (cell.diverged > 0)
            words += [f"{count} {state}" for state, count in apart.items()]
            if words:
                phrases.append(f"{sweep.name(label)} at {sweep.rate_name(rate)}: {', '.join(words)}")
    quiet = f"{ended - len(phrases)} of {ended} cells without any"
    return f"Diverged runs: {listed(phrases, 12)}; {quiet}." if phrases else f"No run diverged in any of {ended} cells."
