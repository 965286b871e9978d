# SPDX-License-Identifier: Apache-2.0
"""How figures look, and how they are kept: as SVG and PNG files, and as the data URI that the page shows."""

import base64
import io
import math
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Sequence, Tuple

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from report_lib.grouping import Sweep
from safe_files import Folder

MAX_INLINE_SVG = 400_000  # bytes; a heavier picture goes into the page as PNG
PNG_DPI = 192  # twice that of CSS pixels
INK = "#222222"
GREY = "#6b6b6b"
CROSS: Dict[str, Any] = {"marker": "x", "linestyle": "none", "markersize": 7, "markeredgewidth": 1.8}
FLOOR_LINE: Dict[str, Any] = {"color": GREY, "linestyle": (0, (5, 3)), "linewidth": 1.1}

matplotlib.rcParams.update(
    {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.labelsize": 10,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.fontsize": 10,
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
        "svg.hashsalt": "precipice",
        "figure.constrained_layout.use": True,
    }
)


@dataclass
class Picture:
    name: str  # of the files, without ending
    title: str
    caption: str
    uri: str = ""
    width: int = 0  # CSS pixels at which the text has its true size


def panels(
    count: int, columns: int, width: float = 3.5, height: float = 2.7, share_y: bool = True
) -> Tuple[Figure, List[Axes]]:
    rows = math.ceil(count / columns)
    # A single panel gets room for its legend.
    figure = Figure(figsize=(max(columns * width, 5.6), rows * height + 0.5))
    grid = figure.subplots(rows, columns, sharex=True, sharey=share_y, squeeze=False)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    for position in range(max(count - columns, 0), count):  # the last panel of each column carries the step labels
        axes[position].tick_params(labelbottom=True)
    return figure, axes[:count]


def format_handles(sweep: Sweep, labels: Iterable[str]) -> List[Line2D]:
    return [
        Line2D([], [], color=sweep.styles[label][0], linestyle=sweep.styles[label][1], linewidth=2.2, label=label)
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


def draw_floors(axes: Axes, floors: Sequence[float]) -> None:
    for floor in floors:
        axes.axhline(floor, zorder=1, **FLOOR_LINE)


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    columns = min(max(2, int(figure.get_figwidth() / 1.8)), len(handles))
    row_by_row = [handle for column in range(columns) for handle in handles[column::columns]]
    figure.legend(
        handles=row_by_row,
        loc="outside upper left",
        ncols=columns,
        handlelength=1.8,
        columnspacing=1.4,
        borderaxespad=0.2,
    )


def rate_text(rate: float) -> str:
    """3e-3, 1e-1, 1: as one types it."""
    mantissa, exponent = f"{rate:.4e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa if int(exponent) == 0 else f"{mantissa}e{int(exponent)}"


def show_rates(axes: Axes, rates: Sequence[float]) -> None:
    if rates and min(rates) > 0:
        axes.set_xscale("log")
        axes.set_xlim(min(rates) / 1.8, max(rates) * 1.8)
    axes.set_xticks(list(rates), [rate_text(rate) for rate in rates])
    axes.minorticks_off()
    axes.set_xlabel("learning rate")


def save(figure: Figure, picture: Picture, folder: Folder) -> Picture:
    svg, png = io.BytesIO(), io.BytesIO()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout is done, once for both files
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
    folder.write(f"{picture.name}.svg", svg.getvalue())
    folder.write(f"{picture.name}.png", png.getvalue())
    light = len(svg.getvalue()) <= MAX_INLINE_SVG
    kind, data = ("svg+xml", svg.getvalue()) if light else ("png", png.getvalue())
    picture.uri = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    picture.width = round(figure.get_figwidth() * 96)
    return picture
