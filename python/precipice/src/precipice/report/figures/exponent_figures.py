# SPDX-License-Identifier: Apache-2.0
"""How far the exponents of the operands are from the ends of formats: their histogram over all sites, and above it what each
format without a scale can hold. A format's ends are the program's (`precipice formats NAME --json`)."""

import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from precipice.program import ProgramError, ask_json
from precipice.report.describe import number
from precipice.report.grouping import Sweep
from precipice.report.figures.histogram_figures import Histograms, is_exponent, read_histograms
from precipice.report.figures.probe_figures import LEAST_FRACTION, MAX_FORMATS, runs_at_shown_rate, sweep_label
from precipice.runs.run_files import Run
from precipice.report.figures.style import GREY, INK, Part, Picture, format_handles, legend_above, set_title

OPERANDS = ("x", "w", "dy")
# Beside the sweep's own: the ends that papers speak of.
USUAL_FORMATS = ("bf16", "e7m7", "e5m2", "e4m3")
MOST_ENDS = 8  # formats in a panel
PANEL_WIDTH, HISTOGRAM_HEIGHT, END_HEIGHT = 4.2, 2.2, 0.2  # inches


@dataclass(frozen=True)
class Ends:
    """Exponents, floor(log2 |value|), of a format's largest, smallest normal and smallest positive number."""

    name: str
    largest: int
    normal: int
    smallest: int


def ask_program(name: str) -> Optional[Dict[str, Any]]:
    """Facts of a format; None where the program does not know it, as the name of a recipe with scales."""
    try:
        return ask_json(["formats", "--json", "--", name])
    except (ProgramError, OSError, ValueError):
        return None


def ends_of(name: str, ask: Callable[[str], Optional[Mapping[str, Any]]]) -> Optional[Ends]:
    facts = ask(name)
    try:
        values = [float(facts[key]) for key in ("largest", "smallest_normal", "smallest_positive")] if facts else []
    except (KeyError, TypeError, ValueError):
        return None
    if not values or not all(math.isfinite(value) and value > 0 for value in values):
        return None
    # frexp: value = m 2^e with m in [1/2, 1).
    return Ends(name, *(math.frexp(value)[1] - 1 for value in values))


def names_of(run: Run, operand: str) -> List[str]:
    """What may be the format of a run's operand, the likeliest first: its key by hand, the recipe, the recipe's name."""
    by_hand = run.config.get(f"precision.{operand}")
    if isinstance(by_hand, str) and by_hand:
        return [by_hand]
    recipe = run.config.get("precision.recipe")
    return [recipe, recipe.split(":")[0]] if isinstance(recipe, str) else []


def is_scaled(run: Run) -> bool:
    """A scale by hand moves the ends from step to step."""
    return run.config.get("precision.scaling") not in (None, "", "none")


class KnownEnds:
    """Each format is asked for once."""

    def __init__(self, ask: Callable[[str], Optional[Mapping[str, Any]]]):
        self.ask = ask
        self.known: Dict[str, Optional[Ends]] = {}

    def of(self, name: str) -> Optional[Ends]:
        if name not in self.known:
            self.known[name] = ends_of(name, self.ask)
        return self.known[name]

    def for_operand(self, runs: Sequence[Run], operand: str) -> List[Ends]:
        found: List[Ends] = []
        own = [next(filter(None, map(self.of, names_of(run, operand))), None) for run in runs if not is_scaled(run)]
        for ends in own + [self.of(name) for name in USUAL_FORMATS]:
            if ends and all((ends.largest, ends.normal, ends.smallest) != (e.largest, e.normal, e.smallest) for e in found):
                found.append(ends)
        return found[:MOST_ENDS]


def fractions(found: Histograms, name: str) -> Tuple[np.ndarray, np.ndarray]:
    """Exponents and the fraction of a site's elements that have each, the mean over sites."""
    table = found.tables.get(name)
    places = [i for i, label in enumerate(found.bins) if is_exponent(label)]
    exponents = np.array([int(found.bins[i]) for i in places], dtype=int)
    if table is None or not np.isfinite(table).any():
        return exponents[:0], np.zeros(0)
    return exponents, np.nanmean(table[:, places], axis=0)


def exponent_figure(
    sweep: Sweep, ask: Callable[[str], Optional[Mapping[str, Any]]] = ask_program
) -> Optional[Tuple[Figure, Picture]]:
    runs = runs_at_shown_rate(sweep)
    drawn = [(run, found) for run in runs for found in [read_histograms(run)] if found][:MAX_FORMATS]
    operands = [name for name in OPERANDS if any(fractions(found, name)[0].size for _, found in drawn)]
    if not operands:
        return None
    known = KnownEnds(ask)
    ends = {name: known.for_operand(runs, name) for name in operands}
    if not any(ends.values()):
        return None
    most = max(len(each) for each in ends.values())
    heights = [END_HEIGHT * most + 0.2, HISTOGRAM_HEIGHT]
    figure = Figure(figsize=(PANEL_WIDTH * len(operands), sum(heights) + 1.0))
    grid = figure.subplots(2, len(operands), squeeze=False, sharex="col", gridspec_kw={"height_ratios": heights})
    parts = []
    for column, name in enumerate(operands):
        bars, panel = grid[0][column], grid[1][column]
        set_title(bars, f"{name}: what formats hold")
        draw_ends(bars, ends[name])
        for run, found in drawn:
            draw_histogram(panel, sweep, run, *fractions(found, name))
        panel.set_yscale("log")
        panel.set_ylim(LEAST_FRACTION, 1)
        panel.set_xlabel("exponent, floor(log2 |value|)")
        panel.set_ylabel("fraction of the elements")
        parts.append(Part(alt_text(sweep, drawn, ends[name], name), [bars, panel]))
    shown = [cell.label for cell in sweep.ordered_cells() if any(run in cell.runs for run, _ in drawn)]
    legend_above(figure, format_handles(sweep, shown))
    described = "; ".join(
        f"{sweep_label(sweep, run)}: run {run.id}, seed {run.seed}, step {found.step}" for run, found in drawn
    )
    caption = (
        "Below: exponents of the operands as they come, before scaling and rounding, a fraction of all sites’ elements "
        "(n = 1 run per format). Above: what a format without a scale holds, its normal numbers as a thick line, its "
        "subnormals as a thin one; elements right of it overflow or are clamped, elements left of it become zero or its "
        f"smallest number. Formats with scales move along and are not drawn. {described}."
    )
    return figure, Picture("exponent_ends", "Exponents of the operands and the ends of formats", caption, parts, folded=True)


def draw_ends(axes: Axes, ends: Sequence[Ends]) -> None:
    """One row per format; each number's binade ends at the next exponent."""
    for row, each in enumerate(ends):
        axes.plot([each.normal, each.largest + 1], [row, row], color=INK, linewidth=4, solid_capstyle="butt")
        axes.plot([each.smallest, each.normal], [row, row], color=GREY, linewidth=1.2, solid_capstyle="butt")
    axes.set_yticks(range(len(ends)), [each.name for each in ends], fontsize=8)
    axes.set_ylim(len(ends) - 0.5, -0.5)
    axes.tick_params(length=0, labelbottom=False)


def draw_histogram(axes: Axes, sweep: Sweep, run: Run, exponents: np.ndarray, values: np.ndarray) -> None:
    if not exponents.size:
        return
    label = next(cell.label for cell in sweep.ordered_cells() if run in cell.runs)
    colour, line = sweep.styles[label]
    seen = np.where(values >= LEAST_FRACTION, values, np.nan)
    axes.step(exponents + 0.5, seen, where="mid", color=colour, linestyle=line, linewidth=1.4)


def alt_text(sweep: Sweep, drawn: Sequence[Tuple[Run, Histograms]], ends: Sequence[Ends], name: str) -> str:
    """The range of each run's elements, and which formats they leave."""
    said = []
    for run, found in drawn:
        exponents, values = fractions(found, name)
        used = exponents[values >= LEAST_FRACTION]
        if not used.size:
            continue
        text = f"{sweep_label(sweep, run)} from {used.min()} to {used.max()}"
        for each in ends:
            above = float(values[exponents > each.largest].sum())
            below = float(values[exponents < each.smallest].sum())
            if above >= LEAST_FRACTION:
                text += f", {number(above, 2)} of them above {each.name}"
            if below >= LEAST_FRACTION:
                text += f", {number(below, 2)} below {each.name}"
        said.append(text)
    held = "; ".join(f"{each.name}: normal from {each.normal} to {each.largest}, subnormal from {each.smallest}" for each in ends)
    return f"Exponents of {name}: {'; '.join(said)}. Formats: {held}."
