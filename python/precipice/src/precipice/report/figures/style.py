# SPDX-License-Identifier: Apache-2.0
"""How figures look: fonts and lines, panels that can stand alone, legends and titles that wrap."""

import contextlib
import math
import re
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ContextManager, Dict, Iterable, Iterator, List, Sequence, Tuple

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from precipice.report.grouping import Sweep
from precipice.html_text import clean

PNG_DPI = 192  # twice that of CSS pixels
INK = "#222222"
GREY = "#6b6b6b"
CROSS: Dict[str, Any] = {"marker": "x", "linestyle": "none", "markersize": 7, "markeredgewidth": 1.8}
FLOOR_LINE: Dict[str, Any] = {"color": GREY, "linestyle": (0, (5, 3)), "linewidth": 1.1}
UNIGRAM_LINE: Dict[str, Any] = {"color": "#8a5a00", "linestyle": (0, (1, 2)), "linewidth": 1.3}
FONT_SIZE = 10
SMALLEST_FIGURE = 4.8  # inches; a narrower one leaves no room for a legend
LEGEND_HANDLE, LEGEND_PADDING, LEGEND_GAP, LEGEND_LINE = 18.0, 8.0, 14.0, 16.0  # points
BAR_WIDTH = 2.8  # inches
ROW_POINTS = 115  # of a name beside a row
FEWEST_FOR_A_LINE = 3  # two values joined by a line would claim a course that nobody measured
MOST_COUNTS = 3  # that a title lists; of more it says the range

LOOK: Dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": FONT_SIZE,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "hatch.linewidth": 0.8,
    "svg.hashsalt": "precipice",
    "figure.constrained_layout.use": True,
}


def look() -> ContextManager[None]:
    """Inside it matplotlib draws as the report does; afterwards as it did before."""
    return matplotlib.rc_context(LOOK)


@dataclass
class Part:
    """What the page shows as one picture: axes that belong together, and in words what they show."""

    alt: str
    axes: Sequence[Axes]
    is_scale: bool = False  # a bar of colours, which does not grow with the page


@dataclass
class Picture:
    name: str  # of the files, without ending
    title: str
    caption: str
    parts: List[Part] = field(default_factory=list)
    legend: Sequence[Artist] = ()
    folded: bool = False  # detail: the page shows it when it is opened
    raster: bool = False  # its axes draw outside their group in an SVG file, as those of surfaces do
    pieces: List[str] = field(default_factory=list)  # the parts as HTML, when it has been saved
    definitions: Dict[str, str] = field(default_factory=dict)  # what the pieces share with others, by id
    least_width: int = 0  # CSS pixels at which the widest piece has its true size


def panels(
    count: int, columns: int, width: float = 3.2, height: float = 2.6, share_y: bool = True
) -> Tuple[Figure, List[Axes]]:
    """Axes of common ranges, each with its own numbers: the page sets them one by one where they do not fit in a row."""
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(max(columns * width, SMALLEST_FIGURE), rows * height + 0.15))
    grid = figure.subplots(rows, columns, sharex=True, sharey=share_y, squeeze=False)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    for each in axes[:count]:
        each.tick_params(labelbottom=True, labelleft=True)
    return figure, axes[:count]


@contextlib.contextmanager
def quiet_about_glyphs() -> Iterator[None]:
    """A character of a name that the font lacks is drawn as a box, without a word on the terminal."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield


@lru_cache(maxsize=4096)
def text_points(text: str, size: float = FONT_SIZE) -> float:
    """The width of one line."""
    with quiet_about_glyphs():
        width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return width


def wrapped(text: str, points: float, size: float = FONT_SIZE) -> str:
    """In lines of at most `points`, broken behind blanks, commas and the signs within names; nothing is left out. A dollar
    sign is text, not the beginning of a formula."""
    lines = [""]
    for word in re.findall(r"[^\s,:=/·-]*(?:[,:=/·-]+\s*|\s+|$)", clean(text)):
        if lines[-1] and text_points((lines[-1] + word).rstrip(), size) > points:
            lines.append("")
        for character in word:  # a word that is too long for any line is broken where the line is full
            if lines[-1] and text_points((lines[-1] + character).rstrip(), size) > points:
                lines.append("")
            lines[-1] += character
    return "\n".join(line.rstrip() for line in lines if line.strip()).replace("$", r"\$")


def set_title(axes: Axes, text: str) -> None:
    """Wrapped at the width that the axes have in a grid of equal columns."""
    columns = axes.get_subplotspec().get_gridspec().ncols
    inches = axes.figure.get_figwidth() / columns - 0.7  # less the axis with its numbers
    axes.set_title(wrapped(text, 72 * inches))


def row_names(names: Sequence[str], counts: Sequence[int]) -> List[str]:
    """For the rows of a figure: wrapped, with the number of runs on the same line where it fits."""
    rows = []
    for name, count in zip(names, counts):
        whole = f"{name}  (n = {count})"
        rows.append(wrapped(whole, math.inf) if text_points(whole, 9) <= ROW_POINTS else
                    f"{wrapped(name, ROW_POINTS, 9)}\n(n = {count})")
    return rows


def counts_text(counts: Sequence[int]) -> str:
    """How many runs each series has, in the legend's order; of many series the range."""
    if not counts:
        return "n = 0"
    if len(set(counts)) == 1:
        return f"n = {counts[0]} each" if len(counts) > 1 else f"n = {counts[0]}"
    if len(counts) <= MOST_COUNTS:
        return "n = " + ", ".join(map(str, counts))
    return f"n = {min(counts)} to {max(counts)}"


def format_handles(sweep: Sweep, labels: Iterable[str]) -> List[Line2D]:
    return [
        Line2D(
            [],
            [],
            color=sweep.styles[label][0],
            linestyle=sweep.styles[label][1],
            linewidth=2.2,
            label=sweep.name(label),
        )
        for label in labels
    ]


def line_widths(count: int) -> List[float]:
    """From wide to narrow: what is drawn first shows from under the others where they agree."""
    return [2.8 - 1.6 * position / max(count - 1, 1) for position in range(count)]


def divergence_handle(text: str = "diverged") -> Line2D:
    return Line2D([], [], color=INK, label=text, **CROSS)


def floor_handles(floors: Sequence[float]) -> List[Line2D]:
    if not floors:
        return []
    text = f"entropy floor {floors[0]:.3f}" if len(floors) == 1 else "entropy floors"
    return [Line2D([], [], label=text, **FLOOR_LINE)]


def unigram_handles(floors: Sequence[float]) -> List[Line2D]:
    if not floors:
        return []
    text = f"unigram entropy {floors[0]:.3f}" if len(floors) == 1 else "unigram entropies"
    return [Line2D([], [], label=text, **UNIGRAM_LINE)]


def draw_floors(axes: Axes, floors: Sequence[float]) -> None:
    for floor in floors:
        axes.axhline(floor, zorder=1, **FLOOR_LINE)


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """In as many columns as fit the figure, which grows by the rows; a label wider than the figure is wrapped."""
    room = 72 * figure.get_figwidth() - 10
    labels = [wrapped(str(handle.get_label()), room - LEGEND_HANDLE - LEGEND_PADDING) for handle in handles]
    widths = [
        LEGEND_HANDLE + LEGEND_PADDING + max(text_points(line) for line in label.split("\n")) for label in labels
    ]
    columns = len(handles)
    while columns > 1 and legend_width(widths, columns) > room:
        columns -= 1
    heights = [label.count("\n") + 1 for label in labels]
    lines = sum(max(heights[row : row + columns]) for row in range(0, len(labels), columns))
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * lines / 72)
    order = [index for column in range(columns) for index in range(column, len(handles), columns)]  # row by row
    figure.legend(
        handles=[handles[index] for index in order],
        labels=[labels[index] for index in order],
        loc="outside upper left",
        ncols=columns,
        handlelength=LEGEND_HANDLE / FONT_SIZE,
        handletextpad=LEGEND_PADDING / FONT_SIZE,
        columnspacing=LEGEND_GAP / FONT_SIZE,
        borderaxespad=0.2,
    )


def colour_bar(figure: Figure, image: ScalarMappable, axes: Sequence[Axes], label: str, alt: str, **options: Any) -> Part:
    """Below the axes, no longer than a phone is wide."""
    shape = {"pad": 0.02, "shrink": min(BAR_WIDTH / figure.get_figwidth(), 0.8), "aspect": 24, **options}
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", **shape)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return Part(f"Colours: {alt}", [bar.ax], is_scale=True)


def legend_width(widths: Sequence[float], columns: int) -> float:
    return sum(max(widths[column::columns]) for column in range(columns)) + LEGEND_GAP * (columns - 1)


def series_line(count: int, line: str) -> Dict[str, Any]:
    """How a series of `count` known values is drawn: values too few for a course stand alone."""
    return {"linestyle": line} if count >= FEWEST_FOR_A_LINE else {"linestyle": "none", "marker": "o", "markersize": 4}


def set_log_if_wide(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis where positive values span more than a factor of 30."""
    known = [value for value in values if math.isfinite(value)]
    if known and min(known) > 0 and max(known) > 30 * min(known):
        axes.set_yscale("log")
