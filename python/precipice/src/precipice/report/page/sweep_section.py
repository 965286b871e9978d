# SPDX-License-Identifier: Apache-2.0
"""The part of scripts/back_again's page that is about one sweep, as text. Sweeps are read and drawn side by side, one process
for each core: matplotlib draws on one alone, and reading a sweep takes about as long as drawing it."""

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Sequence

from precipice.program import ask_json

if TYPE_CHECKING:  # the processes import matplotlib, who waits for them need not
    from precipice.report.figures.style import Picture

SHOWN = ("ladder", "departures", "raster", "difference", "final_loss", "survival", "divergence", "exponent_ends")
MOST_FIGURES = 3  # of a sweep
MOST_PROCESSES = 8  # each holds the series of a sweep


@dataclass
class SweepSection:
    claims: Dict[str, Any]  # as `precipice claims --json` prints them
    figures: List[str] = field(default_factory=list)  # as HTML, each below its title
    definitions: Dict[str, str] = field(default_factory=dict)  # what they refer to, by id


def judged(sweep: Path) -> Dict[str, Any]:
    """Raises ProgramError."""
    return ask_json(["claims", "--json", "--", sweep])


def section_of(sweep: Path) -> SweepSection:
    """Writes the sweep's own report. Raises ReportError for a directory without runs, ProgramError where its claims cannot be
    judged."""
    from precipice.html_text import escape
    from precipice.report.making import write_files
    from precipice.report.material import gather
    from precipice.report.page.page import figure

    material = gather([sweep])
    # Statistics come with the verdicts of the claims; where they do not, the program says why.
    section = SweepSection(material.analysis.claims or judged(sweep))
    for picture in chosen(write_files(material, sweep)):
        own = replace(picture, name=f"{sweep.name}/figures/{picture.name}")  # its files lie in the sweep's own folder
        section.figures.append(f"<h3>{escape(own.title)}</h3>\n{figure(own, '')}")
        section.definitions.update(own.definitions)
    return section


def chosen(drawn: Sequence["Picture"]) -> List["Picture"]:
    """The figures that the claims of a sweep are about, in the order of SHOWN, MOST_FIGURES at most."""
    found = [picture for name in SHOWN for picture in drawn if picture.name == name]
    return found[:MOST_FIGURES]


def sections_of(
    sweeps: Mapping[str, Path], say: Callable[[str], None], make: Callable[[Path], SweepSection] = section_of
) -> Dict[str, SweepSection]:
    """By name, in the order of `sweeps`. `say` is told what is being done. `make`: a function of a module, as it is called in
    other processes. Raises what it raises."""
    processes = min(processors(), len(sweeps), MOST_PROCESSES)
    if processes < 2:
        return {name: make(sweep) for name, sweep in sweeps.items()}
    made: Dict[str, SweepSection] = {}
    # Spawned, not forked: numpy may have threads. What takes long begins first, so that no core waits for one at the end.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        names = {pool.submit(make, sweeps[name]): name for name in sorted(sweeps, key=lambda each: -size(sweeps[each]))}
        try:
            for done in as_completed(names):
                made[names[done]] = done.result()
                left = ", ".join(name for name in sweeps if name not in made)
                say(f"{len(made)} of {len(sweeps)} sweeps are drawn; left: {left}")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return {name: made[name] for name in sweeps}


def size(sweep: Path) -> int:
    """About as many as it has runs."""
    return len(os.listdir(sweep)) if sweep.is_dir() else 0


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
