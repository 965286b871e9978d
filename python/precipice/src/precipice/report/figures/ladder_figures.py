# SPDX-License-Identifier: Apache-2.0
"""Final loss less the reference's, same seed, against the number of bits: a series for each ending of a family's names, such
as its rounding. Only of sweeps with such a family (ramps.py)."""

import math
from typing import Dict, List, Optional, Tuple

from matplotlib.figure import Figure

from precipice.report.analysis import Analysis
from precipice.report.describe import listed
from precipice.report.figures.difference_figures import ZERO_LINE, Pair, pairs_of
from precipice.report.grouping import LINE_STYLES, MARKERS, PALETTE, Sweep
from precipice.report.ramps import families
from precipice.report.figures.style import Part, Picture, legend_above, panels
from matplotlib.lines import Line2D

WIDTH, HEIGHT = 5.2, 3.6  # inches
APART = 0.13  # bits between series


def ladder_figure(sweep: Sweep, analysis: Analysis) -> Optional[Tuple[Figure, Picture]]:
    """At the shown rate, of the largest family."""
    found = families(sweep.labels)
    pairs = {
        pair.cell.label: pair
        for pair in pairs_of(sweep, analysis)
        if pair.cell.learning_rate == sweep.shown_rate and pair.differences and pair.other.label == sweep.baseline
    }
    if not found or sweep.shown_rate is None:
        return None
    head, endings, bits = max(found, key=lambda family: sum(label in pairs for label in family[2]))
    series: Dict[str, List[Tuple[int, Pair]]] = {}
    for label, own in bits.items():
        if label in pairs:
            ending = next(each for each in sorted(endings, key=len, reverse=True) if label.endswith(each))
            series.setdefault(ending, []).append((own, pairs[label]))
    if sum(map(len, series.values())) < 3:
        return None
    figure, (axes,) = panels(1, 1, width=WIDTH, height=HEIGHT)
    axes.axhline(0, zorder=1, **ZERO_LINE)
    handles, said = [], []
    for number, (ending, points) in enumerate(series.items()):
        colour, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
        aside = APART * (number - (len(series) - 1) / 2)
        points.sort(key=lambda point: point[0])
        for own, pair in points:
            place = own + aside
            axes.plot([place] * len(pair.differences), pair.differences, ".", color=colour, alpha=0.5, markersize=4)
            if math.isfinite(pair.interval[0]):
                axes.plot([place, place], pair.interval, color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot([place], [pair.mean], marker, color=colour, markersize=6, markeredgecolor="white")
            said.append(f"{sweep.name(pair.cell.label)} {pair.mean:+.4f}")
        style = LINE_STYLES[number % len(LINE_STYLES)]
        for (own, pair), (after, next_pair) in zip(points, points[1:]):
            if after == own + 1:
                axes.plot([own + aside, after + aside], [pair.mean, next_pair.mean], style, color=colour, linewidth=0.9)
        name = f"{head}…{ending}"
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=6, label=name))
    every = sorted({own for points in series.values() for own, _ in points})
    axes.set_xticks(every)
    axes.set_xlabel(f"bits ({head}N)")
    axes.set_ylabel(f"final loss less that of\n{sweep.name(sweep.baseline)}, same seed (nats)")
    sizes = sorted(abs(pair.mean) for points in series.values() for _, pair in points if pair.mean)
    if sizes and sizes[-1] > 30 * sizes[0]:
        axes.set_yscale("symlog", linthresh=max(10 ** math.floor(math.log10(sizes[len(sizes) // 4])), 1e-4))
    axes.margins(y=0.08)
    legend_above(figure, handles)
    rate = sweep.rate_name(sweep.shown_rate)
    caption = (
        f"At learning rate {rate}, {sweep.why_shown}. Small dots: seeds; marks: their mean; bars: interval of the mean at the "
        "level that Holm’s rule gives it. Thin lines join formats that differ by one bit, between which there is none."
    )
    part = Part(f"Mean difference of the final loss by bits: {listed(said, 16)}.", [axes])
    return figure, Picture("ladder", f"Loss against bits at learning rate {rate}", caption, [part], handles)
