# SPDX-License-Identifier: Apache-2.0
"""The report's figures for notebooks and scripts: each function takes a directory of a run or sweep, several of them, what
load_run or load_sweep returned, or a Material, and returns a matplotlib Figure, drawn as the report draws it. matplotlib's own
settings stay as they were."""

import os
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from matplotlib.figure import Figure

from precipice.report.making import make_report
from precipice.report.descriptions import DESCRIPTIONS
from precipice.report.drawing import FIGURES
from precipice.report.figures.style import look
from precipice.report.material import Material, gather
from precipice.runs.run_files import ReportError

Source = Union[str, "os.PathLike[str]", Sequence[Any], Material, Any]


def read(source: Source, lr: Optional[float] = None, ask_program: bool = True) -> Material:
    """Reads what figures are drawn from once, for several of them. `ask_program`: whether statistics, labels and warnings are
    asked of the program, which some figures need; without it they show what the runs alone can say."""
    return source if isinstance(source, Material) else gather(directories_of(source), lr, ask_program=ask_program)


def directories_of(source: Source) -> List[Path]:
    """Raises TypeError for what is no source."""
    found = getattr(source, "directories", None)
    if found is not None:
        return list(found)
    if isinstance(source, (str, os.PathLike)):
        return [Path(source)]
    if isinstance(source, (list, tuple)) and source:
        return [path for each in source for path in directories_of(each)]
    raise TypeError(f"needs a directory, several of them, or what load_run or load_sweep returned, not {type(source).__name__}")


def figures(source: Source, *names: str, lr: Optional[float] = None) -> Dict[str, Figure]:
    """The figures that these runs have, by name; `names` of DESCRIPTIONS alone, where any are given. A figure that is drawn
    for several rates or panels has further ones, NAME_2 and so on. Raises ReportError for a directory without runs, a name
    that no figure has, and a learning rate that no run has."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        raise ReportError(f"no figure is called {unknown[0]}; there are {', '.join(FIGURES)}")
    show_in_notebook()
    found: Dict[str, Figure] = {}
    with look():
        about = read(source, lr)
        for name in names or FIGURES:
            for drawn in FIGURES[name](about):
                if drawn is not None:
                    found[drawn[1].name] = drawn[0]
    return found


def figure(source: Source, name: str, lr: Optional[float] = None) -> Figure:
    """One figure, the first where there are several of the name. Raises ReportError where these runs have none."""
    found = figures(source, name, lr=lr)
    if not found:
        raise ReportError(f"{name}: these runs hold nothing to draw of it ({DESCRIPTIONS[name]})")
    return next(iter(found.values()))


def write_report(source: Source, out: Union[str, "os.PathLike[str]", None] = None, lr: Optional[float] = None) -> Path:
    """Writes report.html and figures/ into `out`, by default the directory itself. Returns the page's path."""
    directories = directories_of(source)
    if out is None and len(directories) > 1:
        raise ReportError("several directories need `out`, where their common report goes")
    return make_report(directories, Path(out) if out is not None else directories[0], lambda text: None, lr)


def show_in_notebook() -> None:
    """A kernel shows a Figure as a picture once pyplot has been imported there."""
    if "ipykernel" in sys.modules:
        import matplotlib.pyplot  # noqa: F401


def _drawer(name: str) -> Callable[..., Figure]:
    def draw(source: Source, lr: Optional[float] = None) -> Figure:
        return figure(source, name, lr)

    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = f"{DESCRIPTIONS[name]}\n\n`lr`: the learning rate that a figure of one rate shows. Raises ReportError\nwhere these runs hold nothing to draw of it."
    return draw


final_loss, difference, divergence, ladder = map(_drawer, ("final_loss", "difference", "divergence", "ladder"))
loss_curves, difference_curves, raster = map(_drawer, ("loss_curves", "difference_curves", "raster"))
survival, lr_sensitivity, departures = map(_drawer, ("survival", "lr_sensitivity", "departures"))
sharpness, tensors, lbfgs, histograms = map(_drawer, ("sharpness", "tensors", "lbfgs", "histograms"))
exponent_ends, online, landscapes = map(_drawer, ("exponent_ends", "online", "landscapes"))
