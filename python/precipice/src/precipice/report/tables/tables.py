# SPDX-License-Identifier: Apache-2.0
"""The tables of the page: what short names stand for, one row per format and learning rate, one row per run."""

import math
from typing import List, Sequence, Tuple

from precipice.report.analysis import Analysis
from precipice.report.grouping import Sweep
from precipice.html_text import table
from precipice.report.names import label_of, value_text
from precipice.runs.run_files import Run
from precipice.report.statistics import Cell, median_or_nan


def loss_text(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "–"


def names_table(sweep: Sweep) -> str:
    """Only where a name is not the format itself."""
    rows = []
    for label in sweep.labels:
        if sweep.name(label) != label:
            settings = [f"{key} = {value_text(value)}" for key, value in sweep.parts[label]]
            rows.append([sweep.name(label), ", ".join(settings)])
    return table("Short names, and the settings that they stand for", ("name", "stands for"), rows) if rows else ""


def wilson_of(analysis: Analysis, cell: Cell) -> Tuple[float, float]:
    """As the program computed it; NaN where it gave none."""
    for entry in analysis.statistics.get("cells", []):
        if entry["format"] == cell.label and entry["learning_rate"] == cell.learning_rate:
            low, high = entry["diverged"]["wilson"]
            return (math.nan, math.nan) if low is None or high is None else (low, high)
    return math.nan, math.nan


def states_apart(sweep: Sweep) -> List[str]:
    """Of runs that ended without divergence and without having learned: they get a column of their own."""
    states = {run.state for run in sweep.runs if run.ended}
    return [state for state in ("untrained", "skipped") if state in states]


def summary_table(sweep: Sweep, analysis: Analysis) -> str:
    apart = states_apart(sweep)
    columns = ("format", "learning rate", "seeds", "diverged", "95% interval", *apart)
    columns += ("median loss", "lowest", "highest", "over floor")
    rows = [summary_row(sweep, cell, analysis, apart) for cell in sweep.ordered_cells()]
    return table("Final validation loss and divergence by format and learning rate", columns, rows, range(1, len(columns)))


def summary_row(sweep: Sweep, cell: Cell, analysis: Analysis, apart: Sequence[str]) -> List[str]:
    ended = len(cell.ended)
    low, high = wilson_of(analysis, cell)
    lowest, highest = cell.loss_range()
    floor = median_or_nan([run.entropy_floor for run in cell.runs])
    # Where half or more diverged the median is no measured loss: say so instead of a number.
    censored = ended > 0 and 2 * cell.diverged >= ended
    median = math.nan if censored else cell.median_loss
    return [
        sweep.name(cell.label),
        sweep.rate_name(cell.learning_rate),
        str(len({str(run.seed) for run in cell.runs})),
        f"{cell.diverged}/{ended}",
        f"{100 * low:.1f}–{100 * high:.1f}%" if ended and low == low else "–",
        *(f"{sum(run.state == state for run in cell.ended)}/{ended}" for state in apart),
        "diverged" if censored else loss_text(median),
        loss_text(lowest),
        loss_text(highest),
        loss_text(median - floor),
    ]


def run_table(runs: Sequence[Run], sweep: Sweep) -> str:
    columns = ("run", "format", "learning rate", "seed", "state", "steps", "diverged at", "final loss", "reason")
    labels = {id(run): cell.label for cell in sweep.ordered_cells() for run in cell.runs}
    ordered = sorted(
        runs,
        key=lambda run: (
            sweep.labels.index(labels[id(run)]) if id(run) in labels else len(sweep.labels),
            run.learning_rate or 0.0,
            seed_order(run),
            run.id,
        ),
    )
    rows = []
    for run in ordered:
        rate = run.learning_rate
        seed = label_of(sweep.user_labels, "seed", run.seed)
        rows.append(
            [
                run.id,
                sweep.name(labels[id(run)]) if id(run) in labels else "–",
                "–" if rate is None else sweep.rate_name(rate),
                f"{seed} ({run.seed})" if seed else str(run.seed),
                run.state,
                str(run.steps_done),
                str(run.divergence_step) if run.divergence_step >= 0 else "–",
                loss_text(run.final_loss),
                "; ".join(part for part in (run.reason, run.skipped_text, run.problem) if part),
            ]
        )
    return table("All runs", columns, rows, (2, 3, 5, 6, 7))


def seed_order(run: Run) -> float:
    return float(run.seed) if isinstance(run.seed, (int, float)) else math.inf
