# SPDX-License-Identifier: Apache-2.0
"""Survival curves (Kaplan-Meier) and learning-rate sensitivity, from the numbers of `precipice merge --json`."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from report_lib.analysis import Analysis
from report_lib.grouping import PALETTE, Sweep
from report_lib.loss_figures import MAX_PANELS, evenly_chosen
from report_lib.style import INK, Picture, legend_above, panels, rate_text


def colours_of(sweep: Sweep, formats: Sequence[str]) -> Dict[str, str]:
    """As in the other figures; a format that they name otherwise takes the next colour."""
    return {
        name: sweep.styles[name][0] if name in sweep.styles else PALETTE[i % len(PALETTE)]
        for i, name in enumerate(formats)
    }


def survival_figure(sweep: Sweep, analysis: Analysis) -> Optional[Tuple[Figure, Picture]]:
    cells = [cell for cell in analysis.statistics.get("cells", []) if cell["survival"]["runs"] > 0]
    if not any(cell["survival"]["events"] for cell in cells):
        return None
    rates = sorted({cell["learning_rate"] for cell in cells})
    shown = evenly_chosen(rates, MAX_PANELS)
    formats = list(dict.fromkeys(cell["format"] for cell in cells))
    colours = colours_of(sweep, formats)
    columns = len(shown) if len(shown) < 4 else 2 if len(shown) == 4 else 3
    figure, axes = panels(len(shown), columns)
    end = max(point["step"] for cell in cells for point in cell["survival"]["curve"])
    for position, (panel, rate) in enumerate(zip(axes, shown)):
        here = [cell for cell in cells if cell["learning_rate"] == rate]
        counts = ", ".join(str(cell["survival"]["runs"]) for cell in here)
        panel.set_title(f"learning rate {rate_text(rate)}  (n = {counts})")
        for cell in here:
            draw_curve(panel, cell["survival"]["curve"], colours[cell["format"]])
        panel.set_ylim(-0.03, 1.05)
        panel.set_xlim(0, end * 1.02)
        if position % columns == 0:
            panel.set_ylabel("not diverged")
        if position >= len(axes) - columns:
            panel.set_xlabel("step")
    handles = [Line2D([], [], color=colours[name], linewidth=2.2, label=name) for name in formats]
    handles.append(Line2D([], [], color=INK, marker="|", linestyle="none", markersize=8, label="last seen, not diverged"))
    legend_above(figure, handles)
    left_out = f" {len(shown)} of {len(rates)} learning rates are shown." if len(shown) < len(rates) else ""
    return figure, Picture(
        "survival",
        "Runs that have not diverged",
        "Kaplan-Meier estimate of the fraction not diverged by a step; band: 95% log-log interval with Greenwood's "
        "variance, none where the curve is at 1 or 0. Ticks: runs that ended there without divergence (censored); n: "
        "runs of each format, in the legend's order." + left_out,
    )


def draw_curve(panel: Axes, curve: List[Dict[str, Any]], colour: str) -> None:
    steps = [0.0] + [point["step"] for point in curve]
    survival = [1.0] + [point["survival"] for point in curve]
    none = (None, None)
    intervals = [none] + [none if point["survival"] in (0, 1) else tuple(point["interval"]) for point in curve]
    low, high = (np.array([np.nan if pair[i] is None else pair[i] for pair in intervals], dtype=float) for i in (0, 1))
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
    if not entries:
        return None
    colours = colours_of(sweep, [entry["format"] for entry in entries])
    figure, (axes,) = panels(1, 1, width=6.0, height=1.2 + 0.42 * len(entries))
    for row, entry in enumerate(entries):
        colour = colours[entry["format"]]
        axes.plot(entry["by_seed"], [row] * len(entry["by_seed"]), ".", color=colour, alpha=0.55, markersize=5, zorder=2)
        low, high = entry["bootstrap"]
        if low is not None:
            axes.plot([low, high], [row, row], color=colour, linewidth=2.2, zorder=3)
        axes.plot([entry["mean"]], [row], "o", color=colour, markersize=7, markeredgecolor="white", zorder=4)
    axes.set_yticks(range(len(entries)), [f"{entry['format']}  (n = {entry['seeds']})" for entry in entries])
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.set_xlabel("learning-rate sensitivity (nats per token)")
    rates = ", ".join(rate_text(rate) for rate in entries[0]["rates"])
    return figure, Picture(
        "lr_sensitivity",
        "Learning-rate sensitivity",
        f"Mean over the rates {rates} of min(final loss, initial loss) minus the best loss (arXiv 2309.14322): what a "
        "wrong rate costs on average. Large dot: mean over the n seeds that ended at every rate; bar: 95% bootstrap by "
        "seed; small dots: seeds. A diverged run counts as its initial loss.",
    )
