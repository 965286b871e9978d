# SPDX-License-Identifier: Apache-2.0
"""The logit sharpness as ten iterations of L-BFGS find it, beside the exact one of the same tokens, and the fraction found."""

import re
from typing import List, Optional, Tuple

import numpy as np
from matplotlib.figure import Figure

from precipice.report.describe import last_medians
from precipice.report.grouping import Sweep
from precipice.report.figures.online_figures import Panel, curves_of
from precipice.report.figures.probe_figures import draw_sharpness
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
    set_title,
)

FOUND = re.compile(r"last_token_eps(.+)")


def lbfgs_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    rate = sweep.shown_rate
    cells = [cell for cell in sweep.ordered_cells() if cell.learning_rate == rate]
    groups = [run.probes["lbfgs"] for cell in cells for run in cell.runs if "lbfgs" in run.probes]
    names = {name for group in groups if len(group.steps) for name in group.series}
    epsilons = {match.group(1) for match in map(FOUND.fullmatch, names) if match}
    if rate is None or not epsilons:
        return None
    epsilon = max(epsilons, key=float)
    shown = [
        Panel("lbfgs", f"exact_last_token_eps{epsilon}", "exact"),
        Panel("lbfgs", f"last_token_eps{epsilon}", "found by L-BFGS"),
    ]
    fraction = Panel("lbfgs", f"fraction_eps{epsilon}", "fraction found")
    if any(curves_of(cell, fraction) for cell in cells):  # a subspace has none
        shown.append(fraction)
    figure, axes = panels(len(shown), len(shown), height=2.8, share_y=False)
    values: List[np.ndarray] = [np.zeros(0)]
    parts = []
    for panel, place in zip(shown, axes):
        found = [curves_of(cell, panel) for cell in cells]
        for cell, curves, width in zip(cells, found, line_widths(len(cells))):
            if curves:
                values += [curve.values[np.isfinite(curve.values)] for curve in curves if panel is not fraction]
                draw_sharpness(place, curves, *sweep.styles[cell.label], width)
        set_title(place, f"{panel.title} ({counts_text([len(curves) for curves in found])})")
        place.set_xlabel("step")
        place.set_ylabel(panel.title if panel is fraction else f"sharpness of last tokens, ε = {epsilon}")
        parts.append(Part(f"{panel.title.capitalize()}. Last medians: {last_medians(sweep, cells, found)}.", [place]))
    share_range(axes[:2], np.concatenate(values))
    if len(shown) == 3:
        axes[2].axhline(1, **FLOOR_LINE)
        axes[2].set_ylim(0, 1.05)
    handles = format_handles(sweep, [cell.label for cell in cells])
    if any(run.diverged for cell in cells for run in cell.runs):
        handles.append(divergence_handle())
    legend_above(figure, handles)
    caption = (
        "100 (max L − L) / (1 + L) over logits moved by at most ε (|z| + 1), for the last token of each sequence: in closed "
        "form, and as 10 iterations of box-constrained L-BFGS find it (Keskar et al. 2017; arXiv 2405.18710). What the "
        "optimizer finds is a lower bound; where the fraction changes, the found curve moves without the exact one. "
        f"At learning rate {sweep.rate_name(rate)}, {sweep.why_shown}. n: runs with a value, in the order of the legend. "
        "Line: median, band: lowest to highest seed, crosses: last value of a diverged run."
    )
    if len(shown) < 3:
        caption += " L-BFGS looked in a random subspace, which is another set of points: no fraction is known there."
    return figure, Picture("lbfgs", "Logit sharpness: exact and by L-BFGS", caption, parts, handles, folded=True)


def share_range(axes: List, values: np.ndarray) -> None:
    """The exact and the found curve are compared by eye: one range for both."""
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > 30 * low:
        for each in axes:
            each.set_yscale("log")
            each.set_ylim(low / 1.2, high * 1.2)
        return
    for each in axes:
        each.set_ylim(min(low, 0), 1.05 * high if high > 0 else 1)
