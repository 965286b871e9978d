# SPDX-License-Identifier: Apache-2.0
"""The map of outcomes: per format and learning rate the fraction of seeds that diverged, and how many learned nothing."""

import math
from collections import Counter
from typing import List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from report_lib.describe import listed
from report_lib.grouping import Sweep
from report_lib.style import GREY, INK, Part, Picture, colour_bar, legend_above, text_points, wrapped

# White to vermillion: one hue, lightness alone tells the fraction.
FRACTIONS = LinearSegmentedColormap.from_list("fractions", ["#ffffff", "#f6c9a8", "#D55E00", "#7a3300"])
CELL_WIDTH, CELL_HEIGHT = 0.72, 0.48  # inches: no map is smaller, however many there are
MOST_RATES = 5  # of one panel; further rates get a panel of their own, so that each fits a phone
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
    columns = min(len(groups), 2)
    rows = math.ceil(len(groups) / columns)
    width = margin + size * CELL_WIDTH
    height = CELL_HEIGHT * len(sweep.labels) + 0.55
    figure = Figure(figsize=(max(columns * width, 4.2), rows * height + 1.0))
    grid = figure.subplots(rows, columns, squeeze=False).flat
    found = set()
    pieces: List[Part] = []
    for axes, rates in zip(grid, groups):
        found |= draw_map(axes, sweep, rates, names)
        pieces.append(Part(f"Map of outcomes. {map_text(sweep, rates)}", [axes]))
    for spare in list(grid):
        spare.set_visible(False)
    mapped = ScalarMappable(Normalize(0, 1), FRACTIONS)
    shown = [part.axes[0] for part in pieces]
    scale = "white where no run diverged, dark where all did"
    pieces.append(colour_bar(figure, mapped, shown, "fraction diverged", scale, ticks=[0, 0.5, 1]))
    handles = [outcome_handle(state) for state in HATCHES if state in found]
    if handles:
        legend_above(figure, handles)
    counted = " Runs that are untrained or skipped are in N, not in n, and counted below it." if found else ""
    return figure, Picture(
        "divergence",
        "Fraction of seeds that diverged",
        "n/N: n of the N runs that ended diverged. Runs that failed, were interrupted or still run are in neither number; "
        "95% Wilson intervals are in the table." + counted,
        pieces,
        handles,
    )


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
            apart = Counter(run.state for run in cell.ended if run.state in HATCHES)
            found |= set(apart)
            for state in apart:
                hatch = {"fill": False, "hatch": HATCHES[state], "edgecolor": HATCH_COLOUR, "linewidth": 0}
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **hatch))
            text = "\n".join([f"{cell.diverged}/{ended}"] + [f"{count} {state}" for state, count in apart.items()])
            colour = "white" if fractions[row, column] > DARK else INK
            ground = {"boxstyle": "round,pad=0.15", "facecolor": FRACTIONS(fractions[row, column]), "edgecolor": "none"}
            size = {"fontsize": 7.5 if apart else 10, "bbox": ground if apart else None}
            axes.text(column, row, text, ha="center", va="center", color=colour, **size)
    axes.imshow(np.ma.masked_invalid(fractions), cmap=FRACTIONS, vmin=0, vmax=1, aspect="auto")
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
    return found


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
