# SPDX-License-Identifier: Apache-2.0
"""Which exponents the operands have, site by site, at the last recorded step of one run per format."""

import math
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from precipice.report.describe import number
from precipice.report.grouping import Sweep
from precipice.html_text import clean
from precipice.report.figures.probe_figures import (
    FRACTION_SCALE,
    LEAST_FRACTION,
    MAX_FORMATS,
    fraction_colours,
    runs_at_shown_rate,
    sweep_label,
)
from precipice.runs.datasets import Budget, as_plain, checked
from precipice.runs.locate import open_run_file, run_file
from precipice.runs.run_files import Run
from precipice.report.figures.style import Part, Picture, colour_bar, set_title, wrapped

# (series, title): the operand as it comes, then as its first product takes it.
SERIES = (
    ("x", "x"),
    ("x_fprop", "x, rounded"),
    ("w", "w"),
    ("w_fprop", "w, rounded"),
    ("dy", "dy"),
    ("dy_dgrad", "dy, rounded"),
)
MAX_SITE_LABELS = 30
PANEL_WIDTH, PANEL_HEIGHT = 3.4, 3.0  # inches, with the labels of the sites


@dataclass
class Histograms:
    """Fractions (site, bin) of each series at one step."""

    step: int
    sites: List[str]
    bins: List[str]
    tables: dict


def read_histograms(run: Run) -> Optional[Histograms]:
    """The last row; None where a run has none or its file cannot be read."""
    try:
        budget = Budget(run_file(run.directory))
        with open_run_file(run.directory) as file:
            folder = file.get("histograms")
            if not isinstance(folder, h5py.Group):
                return None
            steps, sites, bins = (checked(folder, name, budget) for name in ("step", "site", "bin"))
            if steps is None or sites is None or bins is None or not len(steps):
                return None
            shape = (len(steps), len(sites), len(bins))
            found = Histograms(
                int(steps[-1]), [clean(as_plain(s)) for s in sites[()]], [as_plain(b) for b in bins[()]], {}
            )
            for name, _ in SERIES:
                dataset = checked(folder, name, budget)
                if dataset is None or dataset.shape != shape:
                    continue
                counts = np.asarray(dataset[-1], dtype=np.float64)
                total = counts.sum(axis=1, keepdims=True)
                known = np.isfinite(total) & (total > 0)
                found.tables[name] = np.where(known, counts / np.where(known, total, 1), np.nan)
            return found if any(np.isfinite(table).any() for table in found.tables.values()) else None
    except (OSError, ValueError, KeyError):
        return None


def histogram_figure(sweep: Sweep) -> Optional[Tuple[Figure, Picture]]:
    drawn = [(run, found) for run in runs_at_shown_rate(sweep) for found in [read_histograms(run)] if found]
    drawn = drawn[:MAX_FORMATS]
    rows = [
        (name, title)
        for name, title in SERIES
        if any(np.isfinite(found.tables[name]).any() for _, found in drawn if name in found.tables)
    ]
    if not rows:
        return None
    figure = Figure(figsize=(max(PANEL_WIDTH * len(drawn), 4.8), PANEL_HEIGHT * len(rows) + 1.0))
    grid = figure.subplots(len(rows), len(drawn), squeeze=False)
    parts = []
    for line, (name, title) in enumerate(rows):
        low, high = exponent_range([found for _, found in drawn], name)
        for column, (run, found) in enumerate(drawn):
            axes = grid[line][column]
            image = draw_table(axes, found, name, low, high)
            set_title(axes, f"{sweep_label(sweep, run)}: {title}")
            axes.set_ylabel("exponent")
            labelled = range(0, len(found.sites), -(-len(found.sites) // MAX_SITE_LABELS))
            axes.set_xticks(labelled, [wrapped(found.sites[i], math.inf) for i in labelled], rotation=90, fontsize=7)
            parts.append(Part(f"{sweep_label(sweep, run)}: {title}. {exponents_text(found, name)}", [axes]))
    parts.append(colour_bar(figure, image, grid, "fraction of the operand's elements", FRACTION_SCALE, extend="min"))
    described = "; ".join(
        f"{sweep_label(sweep, run)}: run {run.id}, seed {run.seed}, {run.state}, step {found.step}" for run, found in drawn
    )
    caption = (
        "n = 1 run per format. Columns of a picture: sites; rows: floor(log2 |value|), the lowest row the zeros, the highest "
        "what is not finite. x, w, dy: as they come, before scaling; rounded: on the format's grid after scaling, as the "
        "first product takes them. The same exponents for all formats in a row. White: fewer than one element in a million; "
        f"grey: nothing was rounded. {described}."
    )
    return figure, Picture("histograms", "Exponents of the operands by site", caption, parts, folded=True)


def exponents_text(found: Histograms, name: str) -> str:
    """Where the elements of all sites lie, and the site with the most zeros."""
    table = found.tables.get(name)
    if table is None or not np.isfinite(table).any():
        return "Nothing was measured."
    low, high = exponent_range([found], name)
    text = f"Exponents from {low} to {high}"
    if "zero" in found.bins:
        zeros = table[:, found.bins.index("zero")]
        most = int(np.nanargmax(zeros))
        text += f"; most zeros: {number(float(zeros[most]), 2)} of {found.sites[most]}"
    return text + "."


def exponent_range(all_found: Sequence[Histograms], name: str) -> Tuple[int, int]:
    """Lowest and highest exponent with an element anywhere."""
    used = [
        int(label)
        for found in all_found
        if name in found.tables
        for position, label in enumerate(found.bins)
        if is_exponent(label) and np.nanmax(found.tables[name][:, position], initial=0) >= LEAST_FRACTION
    ]
    return (min(used), max(used)) if used else (0, 0)


def is_exponent(label: str) -> bool:
    return label.lstrip("-").isdigit()


def draw_table(axes: Axes, found: Histograms, name: str, low: int, high: int) -> AxesImage:
    table = found.tables.get(name, np.full((len(found.sites), len(found.bins)), np.nan))
    position = {label: index for index, label in enumerate(found.bins)}

    def part(labels: Sequence[str]) -> np.ndarray:
        columns = [table[:, position[label]] for label in labels if label in position]
        return np.sum(columns, axis=0) if columns else np.full(len(found.sites), np.nan)

    exponents = range(low, high + 1)
    rows = [part(["inf", "nan"])] + [part([str(e)]) for e in reversed(exponents)] + [part(["zero"])]
    axes.set_facecolor("#d9d9d9")
    image = axes.imshow(
        np.ma.masked_invalid(np.maximum(np.array(rows), LEAST_FRACTION / 10)),
        aspect="auto",
        interpolation="nearest",
        cmap=fraction_colours(),
        norm=LogNorm(LEAST_FRACTION, 1),
    )
    every = max(1, len(exponents) // 6)
    apart = max(1, len(exponents) // 12)  # rows that a label takes
    ticks = [(high - e + 1, str(e)) for e in exponents if e % every == 0 and low + apart <= e <= high - apart]
    ticks += [(0, "inf, NaN"), (len(exponents) + 1, "zero")]
    axes.set_yticks([at for at, _ in ticks], [text for _, text in ticks], fontsize=8)
    axes.grid(False)
    axes.tick_params(length=0)
    return image
