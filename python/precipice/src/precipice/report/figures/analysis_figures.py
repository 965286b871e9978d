# SPDX-License-Identifier: Apache-2.0
"""Survival curves (Kaplan-Meier) and learning-rate sensitivity, from the numbers of `precipice merge --json`."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from precipice.report.analysis import Analysis
from precipice.report.describe import listed, number
from precipice.report.grouping import PALETTE, Sweep
from precipice.report.figures.loss_figures import MAX_PANELS, evenly_chosen
from precipice.report.figures.style import INK, Part, Picture, counts_text, legend_above, panels, row_names, set_title


MAX_BANDS = 4  # more intervals over each other show nothing


def colours_of(sweep: Sweep, formats: Sequence[str]) -> Dict[str, str]:
    """As in the other figures; a format that they name otherwise takes the next colour."""
    return {
        name: sweep.styles[name][0] if name in sweep.styles else PALETTE[i % len(PALETTE)]
        for i, name in enumerate(formats)
    }


def place_of(sweep: Sweep, entry: Dict[str, Any]) -> int:
    """In the order of the other figures."""
    return sweep.labels.index(entry["format"]) if entry["format"] in sweep.labels else len(sweep.labels)


def survival_figure(sweep: Sweep, analysis: Analysis) -> Optional[Tuple[Figure, Picture]]:
    cells = [cell for cell in analysis.statistics.get("cells", []) if cell["survival"]["runs"] > 0]
    if sweep.is_single_cell() or not any(cell["survival"]["events"] for cell in cells):
        return None
    rates = sorted({cell["learning_rate"] for cell in cells})
    shown = evenly_chosen(rates, MAX_PANELS)
    cells.sort(key=lambda cell: place_of(sweep, cell))
    formats = list(dict.fromkeys(cell["format"] for cell in cells))
    with_bands = len(formats) <= MAX_BANDS
    colours = colours_of(sweep, formats)
    columns = len(shown) if len(shown) < 4 else 2 if len(shown) == 4 else 3
    figure, axes = panels(len(shown), columns)
    end = max(point["step"] for cell in cells for point in cell["survival"]["curve"])
    parts = []
    for panel, rate in zip(axes, shown):
        here = [cell for cell in cells if cell["learning_rate"] == rate]
        counts = counts_text([cell["survival"]["runs"] for cell in here])
        set_title(panel, f"learning rate {sweep.rate_name(rate)}  ({counts})")
        for cell in here:
            draw_curve(panel, cell["survival"]["curve"], colours[cell["format"]], with_bands)
        panel.set_ylim(-0.03, 1.05)
        panel.set_xlim(0, end * 1.02)
        panel.set_ylabel("not diverged")
        panel.set_xlabel("step")
        left = [f"{sweep.name(cell['format'])} {number(cell['survival']['curve'][-1]['survival'])}" for cell in here]
        text = f"At learning rate {sweep.rate_name(rate)}, the fraction not diverged at the end: {listed(left)}."
        parts.append(Part(text, [panel]))
    handles = [Line2D([], [], color=colours[name], linewidth=2.2, label=sweep.name(name)) for name in formats]
    handles.append(Line2D([], [], color=INK, marker="|", linestyle="none", markersize=8, label="last seen, not diverged"))
    legend_above(figure, handles)
    left_out = f" {len(shown)} of {len(rates)} learning rates are shown." if len(shown) < len(rates) else ""
    bands = "; band: 95% log-log interval with Greenwood's variance, none where the curve is at 1 or 0" * with_bands
    return figure, Picture(
        "survival",
        "Runs that have not diverged",
        f"Kaplan-Meier estimate of the fraction not diverged by a step{bands}. Ticks: runs that ended there without "
        "divergence (censored); n: runs of each format, in the legend's order." + left_out,
        parts,
        handles,
    )


def draw_curve(panel: Axes, curve: List[Dict[str, Any]], colour: str, with_band: bool) -> None:
    steps = [0.0] + [point["step"] for point in curve]
    survival = [1.0] + [point["survival"] for point in curve]
    none = (None, None)
    intervals = [none] + [none if point["survival"] in (0, 1) else tuple(point["interval"]) for point in curve]
    low, high = (np.array([np.nan if pair[i] is None else pair[i] for pair in intervals], dtype=float) for i in (0, 1))
    if with_band:
        panel.fill_between(steps, low, high, step="post", color=colour, alpha=0.18, linewidth=0, zorder=2)
    panel.step(steps, survival, where="post", color=colour, linewidth=2, zorder=3)
    censored = [(point["step"], point["survival"]) for point in curve if point["censored"]]
    if censored:
        panel.plot(*zip(*censored), color=colour, marker="|", linestyle="none", markersize=9, zorder=4, clip_on=False)


def sensitivity_figure(sweep: Sweep, analysis: Analysis) -> Optional[Tuple[Figure, Picture]]:
    entries = [
        entry
        for entry in analysis.statistics.get("lr_sensitivity", [])
        if entry["mean"] is not None and len(entry["rates"]) > 1
    ]
    if not entries or len(sweep.rates) < 2:
        return None
    entries.sort(key=lambda entry: place_of(sweep, entry))
    colours = colours_of(sweep, [entry["format"] for entry in entries])
    figure, (axes,) = panels(1, 1, width=4.8, height=0.9 + 0.46 * len(entries))
    for row, entry in enumerate(entries):
        colour = colours[entry["format"]]
        axes.plot(entry["by_seed"], [row] * len(entry["by_seed"]), ".", color=colour, alpha=0.55, markersize=5, zorder=2)
        low, high = entry["bootstrap"]
        if low is not None:
            axes.plot([low, high], [row, row], color=colour, linewidth=2.2, zorder=3)
        axes.plot([entry["mean"]], [row], "o", color=colour, markersize=7, markeredgecolor="white", zorder=4)
    names = row_names([sweep.name(entry["format"]) for entry in entries], [entry["seeds"] for entry in entries])
    axes.set_yticks(range(len(entries)), names)
    axes.set_ylim(len(entries) - 0.5, -0.5)
    low, high = axes.get_xlim()
    axes.set_xlim(min(0.0, low), high + 0.05 * (high - min(0.0, low)))  # room for half of a dot
    axes.set_xlabel("learning-rate sensitivity (nats per token)")
    described = listed([sensitivity_text(sweep, entry) for entry in entries])
    rates = ", ".join(sweep.rate_name(rate) for rate in entries[0]["rates"])
    return figure, Picture(
        "lr_sensitivity",
        "Learning-rate sensitivity",
        f"Mean over the rates {rates} of min(final loss, initial loss) minus the best loss (arXiv 2309.14322): what a "
        "wrong rate costs on average. Large dot: mean over the n seeds that ended at every rate; bar: 95% bootstrap by "
        "seed; small dots: seeds. A diverged run counts as its initial loss.",
        [Part(f"Learning-rate sensitivity in nats per token: {described}.", [axes])],
    )


def sensitivity_text(sweep: Sweep, entry: Dict[str, Any]) -> str:
    low, high = entry["bootstrap"]
    interval = f" ({number(low)} to {number(high)})" if low is not None else ""
    return f"{sweep.name(entry['format'])} {number(entry['mean'])}{interval}"
