# SPDX-License-Identifier: Apache-2.0
"""Slices of the loss surface side by side, as contours and as surfaces, on shared axes: files of `precipice landscape` that
lie in the directory or in its folder landscapes/."""

from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Tuple

import h5py
import numpy as np
from matplotlib.figure import Figure

from precipice.report.describe import number
from precipice.runs.datasets import Budget, as_plain, checked
from precipice.report.figures.style import Part, Picture, colour_bar, wrapped
from precipice.safe_files import regular

MAX_LANDSCAPES = 4
MAX_POINTS = 1 << 20
NOT_COMPUTED = -1
LEVELS = 16
SHOWN_ABOVE_LOWEST = 5.0  # nats: a wall far above the valley would leave it without a contour


@dataclass
class Slice:
    name: str
    label: str
    x: np.ndarray
    y: np.ndarray
    loss: np.ndarray  # (y, x), NaN where it is not computed or not a number

    @property
    def known(self) -> int:
        return int(np.isfinite(self.loss).sum())


def landscape_figure(directory: Path) -> Optional[Tuple[Figure, Picture]]:
    slices = find_slices(directory)
    drawn = slices[:MAX_LANDSCAPES]
    if not drawn:
        return None
    lowest = min(float(np.nanmin(each.loss)) for each in drawn)
    highest = min(max(float(np.nanmax(each.loss)) for each in drawn), lowest + SHOWN_ABOVE_LOWEST)
    levels = np.linspace(lowest, highest if highest > lowest else lowest + 1e-6, LEVELS)
    figure = Figure(figsize=(max(3.4 * len(drawn), 4.8), 7.2))
    parts = []
    for column, each in enumerate(drawn):
        shown = np.clip(each.loss, levels[0], levels[-1])
        flat = figure.add_subplot(2, len(drawn), column + 1)
        image = flat.contourf(each.x, each.y, np.ma.masked_invalid(shown), levels=levels, cmap="viridis")
        flat.contour(each.x, each.y, np.ma.masked_invalid(shown), levels=levels, colors="white", linewidths=0.4)
        flat.set_facecolor("#d9d9d9")
        flat.set_title(f"{wrapped(each.label, 180, 9)}\nn = {each.known} of {each.loss.size} points", fontsize=9)
        flat.set_xlim(*limits([s.x for s in drawn]))
        flat.set_ylim(*limits([s.y for s in drawn]))
        raised = figure.add_subplot(2, len(drawn), len(drawn) + column + 1, projection="3d")
        raised.plot_surface(*np.meshgrid(each.x, each.y), shown, cmap="viridis", vmin=levels[0], vmax=levels[-1])
        raised.set_zlim(levels[0], levels[-1])
        raised.set_xlim(*limits([s.x for s in drawn]))
        raised.set_ylim(*limits([s.y for s in drawn]))
        parts.append(Part(f"{each.label}. {surface_text(each)}", [flat]))
        parts.append(Part(f"{each.label}, the same as a surface", [raised]))
    scale = f"loss from {number(levels[0])}, dark, to {number(levels[-1])}, pale"
    ticks = np.linspace(levels[0], levels[-1], 4)
    parts.append(colour_bar(figure, image, figure.axes, "loss", scale, ticks=ticks, format="%.3g", pad=0.06))
    left_out = [each.name for each in slices[MAX_LANDSCAPES:]]
    caption = (
        "Loss on a slice through the weights, in units of the filter-normalised directions; all panels share their axes and "
        "colours. Grey: not computed, or not a number. Values above the scale are drawn at its end. Files: "
        + ", ".join(each.name for each in drawn)
        + (f"; not drawn: {', '.join(left_out)}." if left_out else ".")
    )
    return figure, Picture("landscapes", "Slices of the loss surface", caption, parts, folded=True, raster=True)


def surface_text(each: Slice) -> str:
    row, column = np.unravel_index(np.nanargmin(each.loss), each.loss.shape)
    lowest, highest = number(float(np.nanmin(each.loss))), number(float(np.nanmax(each.loss)))
    place = f"({number(float(each.x[column]))}, {number(float(each.y[row]))})"
    return f"Loss from {lowest} at {place} to {highest}, {each.known} of {each.loss.size} points known."


def limits(axes: List[np.ndarray]) -> Tuple[float, float]:
    return min(float(a.min()) for a in axes), max(float(a.max()) for a in axes)


def find_slices(directory: Path) -> List[Slice]:
    found = [read_slice(path) for folder in (directory, directory / "landscapes") for path in sorted(folder.glob("*.h5"))]
    return [each for each in found if each is not None]


def read_slice(path: Path) -> Optional[Slice]:
    """None for any other file, and for one in which no two by two points are known."""
    try:
        with h5py.File(regular(path), "r", locking=False) as file:
            budget = Budget(path)
            parts = [checked(file, key, budget) for key in ("xcoordinates", "ycoordinates", "train_loss")]
            if any(part is None or part.size > MAX_POINTS for part in parts):
                return None
            x, y, loss = (np.asarray(part[()], dtype=np.float64) for part in parts if part is not None)
            recipe, step = (as_plain(file.attrs.get(key, "")) for key in ("recipe", "step"))
    except (OSError, ValueError, KeyError, RuntimeError, TypeError):
        return None
    if x.ndim != 1 or y.ndim != 1 or loss.shape != (len(y), len(x)) or min(loss.shape) < 2:
        return None
    loss[(loss == NOT_COMPUTED) | ~np.isfinite(loss)] = np.nan
    label = f"{recipe or path.stem}, step {step}" if step != "" else str(recipe or path.stem)
    return Slice(path.name, label, x, y, loss) if np.isfinite(loss).any() else None
