# SPDX-License-Identifier: Apache-2.0
"""The part of scripts/back_again's page that is about one sweep, as text. Sweeps are read and drawn side by side, one process
for each core: matplotlib draws on one alone."""

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, TypeVar

from precipice.program import ask_json

if TYPE_CHECKING:  # the processes import matplotlib, who waits for them need not
    from precipice.report.drawing import Drawn
    from precipice.report.material import Material

SHOWN = ("ladder", "departures", "raster", "difference", "final_loss", "survival", "divergence", "exponent_ends")
ANSWERS, GROUPS = ("statistics", "labels"), ("metrics", "eval", "sharpness")  # what these figures need
MOST_FIGURES = 3  # of a sweep
MOST_PROCESSES = 8  # each holds the series of a sweep
Made = TypeVar("Made")


@dataclass
class SweepSection:
    claims: Dict[str, Any]  # as `precipice claims --json` prints them
    figures: List[str] = field(default_factory=list)  # as HTML, each below its title
    definitions: Dict[str, str] = field(default_factory=dict)  # what they refer to, by id


def judged(sweep: Path) -> Dict[str, Any]:
    """Raises ProgramError."""
    return ask_json(["claims", "--json", "--", sweep])


def section_of(sweep: Path) -> SweepSection:
    """Draws the figures that the claims of a sweep are about, into its own folder. Raises ReportError for a directory without
    runs, ProgramError where its claims cannot be judged."""
    from precipice.html_text import escape
    from precipice.report.figures.style import look
    from precipice.report.material import gather
    from precipice.report.page.page import figure
    from precipice.report.page.pieces import save
    from precipice.safe_files import Folder

    material = gather([sweep], answers=ANSWERS, groups=GROUPS)
    # Statistics come with the verdicts of the claims; where they do not, the program says why.
    section = SweepSection(material.analysis.claims or judged(sweep))
    with look(), Folder.make(sweep) as target, target.folder("figures") as folder:
        for drawn, picture in chosen(material):
            save(drawn, picture, folder, material.results.command)
            own = replace(picture, name=f"{sweep.name}/figures/{picture.name}")
            section.figures.append(f"<h3>{escape(own.title)}</h3>\n{figure(own, '')}")
            section.definitions.update(own.definitions)
    return section


def chosen(material: "Material") -> Iterator["Drawn"]:
    """In the order of SHOWN, MOST_FIGURES at most: no other figure is drawn. Of those that there are for several rates the
    first."""
    from precipice.report.drawing import FIGURES

    found = (drawn for name in SHOWN for drawn in FIGURES[name](material) if drawn is not None and drawn[1].name == name)
    return islice(found, MOST_FIGURES)


def write_report(sweep: Path) -> None:
    """The sweep's own report, with all its figures."""
    from precipice.report.making import make_report

    make_report(sweep, sweep, lambda text: None)


def side_by_side(sweeps: Mapping[str, Path], make: Callable[[Path], Made], say: Callable[[str], None]) -> Dict[str, Made]:
    """What `make`, a function of a module, makes of each sweep, by name, in the order of `sweeps`. `say` is told what is being
    done. Raises what `make` raises."""
    processes = min(processors(), len(sweeps), MOST_PROCESSES)
    if processes < 2:
        return {name: make(sweep) for name, sweep in sweeps.items()}
    made: Dict[str, Made] = {}
    # Spawned, not forked: numpy may have threads. What takes long begins first, so that no core waits for one at the end.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        names = {pool.submit(make, sweeps[name]): name for name in sorted(sweeps, key=lambda each: -size(sweeps[each]))}
        try:
            for done in as_completed(names):
                made[names[done]] = done.result()
                left = ", ".join(name for name in sweeps if name not in made)
                say(f"{len(made)} of {len(sweeps)} sweeps are done; left: {left}")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return {name: made[name] for name in sweeps}


def size(sweep: Path) -> int:
    """About as many as it has runs."""
    return len(os.listdir(sweep)) if sweep.is_dir() else 0


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
