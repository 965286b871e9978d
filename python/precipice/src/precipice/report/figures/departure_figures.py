# SPDX-License-Identifier: Apache-2.0
"""Which leaves first: sharpness and training loss less those of the reference's run of the same seed, below each other on the
same steps, with the first window of each seed in which the ratio to the reference leaves its band. The bands and windows are
those that claims have by default (experiments/claims/claim.h); what is decided is said by claims, not here."""

import math
import re
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from precipice.report.analysis import Analysis
from precipice.report.describe import listed
from precipice.report.figures.difference_figures import ZERO_LINE, Pair, pairs_of
from precipice.report.grouping import MAX_FORMATS, Sweep
from precipice.runs.run_files import Run, SeriesGroup
from precipice.report.figures.style import INK, Part, Picture, format_handles, legend_above, panels, series_line, set_title

WINDOW = 50  # steps
BANDS = {"sharpness": (0.9, 1.1), "loss": (0.98, 1.02)}
SHARPNESS = re.compile(r"all_tokens_eps(.+)")

Windows = Tuple[np.ndarray, np.ndarray]  # middle steps, means


def departure_figure(sweep: Sweep, analysis: Analysis) -> Optional[Tuple[Figure, Picture]]:
    pairs = [pair for pair in pairs_of(sweep, analysis) if pair.cell.learning_rate == sweep.shown_rate]
    series = sharpness_series(sweep)
    pairs = [pair for pair in pairs if any(has_series(run, series) for run, _ in pair.runs)][: MAX_FORMATS - 1]
    if not pairs or not series:
        return None
    figure, axes = panels(2, 1, width=5.6, height=2.5, share_y=False)
    parts = []
    for axis, what in zip(axes, BANDS):
        axis.axhline(0, zorder=1, **ZERO_LINE)
        said = []
        for row, pair in enumerate(pairs):
            colour, line = sweep.styles[pair.cell.label]
            found = [by_window(group_of(run, what), group_of(base, what), name_of(series, what)) for run, base in pair.runs]
            found = [windows for windows in found if windows is not None]
            if not found:
                continue
            steps, low, middle, high = over_seeds(found)
            axis.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)
            axis.plot(steps, middle, color=colour, zorder=3, **series_line(len(steps), line))
            first = departures(pair, what, name_of(series, what))
            known = [step for step in first if math.isfinite(step)]
            axis.plot(known, [0.02 + 0.035 * row] * len(known), "|", color=colour, markersize=8, markeredgewidth=1.6,
                      transform=axis.get_xaxis_transform(), zorder=5)  # fmt: skip
            middle_step = f"median step {np.median(first):.0f}" if len(known) > len(first) / 2 else "less than half ever"
            said.append(f"{sweep.name(pair.cell.label)} leaves its band in {len(known)} of {len(first)} seeds ({middle_step})")
        set_title(axis, f"{what}, difference to {sweep.name(sweep.baseline)} of the same seed")
        axis.set_xlabel("step")
        parts.append(Part(f"Difference of the {what} over steps. {listed(said)}.", [axis]))
    handles: List[Line2D] = format_handles(sweep, [pair.cell.label for pair in pairs])
    handles.append(Line2D([], [], color=INK, marker="|", linestyle="none", markersize=8, label="a seed leaves its band"))
    legend_above(figure, handles)
    bands = "; ".join(f"{what} {low} to {high}" for what, (low, high) in BANDS.items())
    caption = (
        f"At learning rate {sweep.rate_name(sweep.shown_rate)}, {sweep.why_shown}. Means over windows of {WINDOW} steps of the logit "
        f"sharpness ({series}) and of the training loss. Line: mean over seeds; band: lowest to highest seed. Strokes at the "
        f"bottom: the first window of a seed in which the ratio to the reference’s run leaves its band ({bands})."
    )
    title = f"Sharpness and loss against the reference at learning rate {sweep.rate_name(sweep.shown_rate)}"
    return figure, Picture("departures", title, caption, parts, handles, folded=True)


def sharpness_series(sweep: Sweep) -> str:
    """Of the largest reach, over all tokens; "" where no run has one."""
    names = {name for run in sweep.runs for name in run.sharpness.series if SHARPNESS.fullmatch(name)}
    return max(names, key=lambda name: float(name.rsplit("eps", 1)[1]), default="")


def has_series(run: Run, series: str) -> bool:
    return series in run.sharpness.series and len(run.sharpness.steps) > 0


def group_of(run: Run, what: str) -> SeriesGroup:
    return run.sharpness if what == "sharpness" else run.metrics


def name_of(series: str, what: str) -> str:
    return series if what == "sharpness" else "train_loss"


def window_means(group: SeriesGroup, name: str) -> Dict[int, float]:
    values = group.get(name)
    windows = group.steps // WINDOW
    if not len(windows) or values.ndim != 1:
        return {}
    starts = np.flatnonzero(np.diff(windows, prepend=windows[0] - 1))
    means = np.add.reduceat(values, starts) / np.diff(np.append(starts, len(values)))
    return dict(zip(windows[starts].tolist(), means.tolist()))


def by_window(own: SeriesGroup, base: SeriesGroup, name: str) -> Optional[Windows]:
    a, b = window_means(own, name), window_means(base, name)
    common = [window for window in sorted(a) if window in b and math.isfinite(a[window] - b[window])]
    if not common:
        return None
    return np.array([(window + 0.5) * WINDOW for window in common]), np.array([a[window] - b[window] for window in common])


def over_seeds(found: Sequence[Windows]) -> Tuple[np.ndarray, ...]:
    """In the windows that every seed has."""
    common = set.intersection(*(set(steps.tolist()) for steps, _ in found))
    steps = np.array(sorted(common))
    table = np.array([[value for step, value in zip(own, values) if step in common] for own, values in found])
    return steps, table.min(axis=0), table.mean(axis=0), table.max(axis=0)


def departures(pair: Pair, what: str, name: str) -> List[float]:
    """Middle step of the first window outside the band, by seed; +inf for none."""
    low, high = BANDS[what]
    first = []
    for run, base in pair.runs:
        a, b = window_means(group_of(run, what), name), window_means(group_of(base, what), name)
        outside = [w for w in sorted(a) if w in b and b[w] and not math.isnan(a[w] / b[w]) and not low <= a[w] / b[w] <= high]
        first.append((outside[0] + 0.5) * WINDOW if outside else math.inf)
    return first
