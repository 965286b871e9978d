# SPDX-License-Identifier: Apache-2.0
"""What the figures and the page are made of: the runs of one directory or several, and what the program says about them."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, List, Optional, Sequence

from precipice.report.analysis import ANSWERS, Analyses, Analysis, adopt_names
from precipice.report.grouping import Sweep
from precipice.report.tables.comparisons_table import comparison_rows, formats_part
from precipice.runs.joined import as_one_sweep, find_all, program_id
from precipice.runs.results import Results, find_results, read_sweep_record
from precipice.runs.run_files import ReportError

NOT_POOLED = (
    "Runs of one setting lie in several of these directories, and statistics would pool them, or a run is packed: "
    "`precipice merge` gives the statistics of each directory."
)


@dataclass
class Material:
    results: Results
    sweep: Sweep
    analysis: Analysis
    rates: List[float] = field(default_factory=list)  # that figures of one rate show
    rate_was_asked: bool = False


def gather(
    directories: Sequence[Path],
    rate: Optional[float] = None,
    say: Callable[[str], None] = lambda text: None,
    ask_program: bool = True,
    answers: Sequence[str] = ANSWERS,
    groups: Optional[Sequence[str]] = None,
) -> Material:
    """`rate`: the learning rate that figures of one rate show, instead of the best one and the lowest at which formats part.
    `say` is told what is being done. `answers`, `groups`: of one directory, what is asked of the program, and
    what is read of each run.h5 (as read_run has it). Raises ReportError for directories without runs and a rate that no run has."""
    if not ask_program:
        results, analysis = find_all(directories, say), Analysis()
    elif len(directories) == 1:
        with Analyses(directories[0], read_sweep_record(directories[0] / "sweep.toml").axes, answers) as analyses:
            results = find_results(directories[0], say, groups)
            analysis = analyses.wait(say)
    else:
        results = find_all(directories, say)
        analysis = joint_analysis(results, say)
    sweep = Sweep(results.runs, results.record.labels)
    adopt_names(analysis, sweep)
    return Material(results, sweep, analysis, shown_rates(sweep, analysis, rate), rate is not None)


def joint_analysis(results: Results, say: Callable[[str], None]) -> Analysis:
    """The program's answers about runs of several directories, with the names that the runs have here."""
    with as_one_sweep(results) as folder:
        if folder is None:
            return Analysis(problems=[NOT_POOLED])
        with Analyses(folder, read_sweep_record(folder / "sweep.toml").axes) as analyses:
            analysis = analyses.wait(say)
    names = {program_id(run): run.id for run in results.runs}
    for label in analysis.labels.get("labels", []):
        label["run"] = names.get(label["run"], label["run"])
    return analysis



def shown_rates(sweep: Sweep, analysis: Analysis, asked: Optional[float]) -> List[float]:
    """Of figures that show one learning rate: the one asked for; else the best one of the reference, and the lowest at which
    formats part."""
    if asked is not None:
        for rate in sweep.rates:
            if math.isclose(rate, asked, rel_tol=1e-6):
                sweep.reasons[rate] = "which was asked for"
                return [rate]
        known = ", ".join(map(sweep.rate_name, sweep.rates)) or "none"
        raise ReportError(f"--lr {asked:g}: no run has this learning rate; there are {known}")
    best = sweep.best_rate
    if best is None:
        return []
    rows = [row for row in comparison_rows(analysis.statistics) if formats_part(row)]
    parting = [entry["learning_rate"] for row in rows for entry in row.values()]
    if not parting or min(parting) == best:
        return [best]
    sweep.reasons[min(parting)] = "the lowest at which formats part"
    return [best, min(parting)]
