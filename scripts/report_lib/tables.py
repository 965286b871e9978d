# SPDX-License-Identifier: Apache-2.0
"""The two tables of the page: one row per format and learning rate, one row per run."""

import html
import math
from typing import List, Sequence, Tuple

from report_lib.analysis import Analysis
from report_lib.grouping import Sweep
from report_lib.run_files import Run
from report_lib.statistics import Cell, median_or_nan
from report_lib.style import rate_text


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int]) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f'<{tag}{" class=n" if i in numeric else ""}>{html.escape(text)}</{tag}>' for i, text in enumerate(row)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    head = f"<thead><tr>{cells('th', columns)}</tr></thead>"
    return f'<div class="wide"><table>\n{head}\n<tbody>\n{body}\n</tbody></table></div>'


def loss_text(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "–"


def wilson_of(analysis: Analysis, cell: Cell) -> Tuple[float, float]:
    """As the program computed it; NaN where it gave none."""
    for entry in analysis.statistics.get("cells", []):
        if entry["format"] == cell.label and entry["learning_rate"] == cell.learning_rate:
            low, high = entry["diverged"]["wilson"]
            return low, high
    return math.nan, math.nan


def summary_table(sweep: Sweep, analysis: Analysis) -> str:
    columns = (
        "format",
        "learning rate",
        "seeds",
        "diverged",
        "95% interval",
        "median loss",
        "lowest",
        "highest",
        "over floor",
    )
    return table(columns, [summary_row(cell, analysis) for cell in sweep.ordered_cells()], range(1, len(columns)))


def summary_row(cell: Cell, analysis: Analysis) -> List[str]:
    ended = len(cell.ended)
    low, high = wilson_of(analysis, cell)
    lowest, highest = cell.loss_range()
    floor = median_or_nan([run.entropy_floor for run in cell.runs])
    # Where half or more diverged the median is no measured loss: say so instead of a number.
    censored = ended > 0 and 2 * cell.diverged >= ended
    median = math.nan if censored else cell.median_loss
    return [
        cell.label,
        rate_text(cell.learning_rate),
        str(len({str(run.seed) for run in cell.runs})),
        f"{cell.diverged}/{ended}",
        f"{100 * low:.1f}–{100 * high:.1f}%" if ended and low == low else "–",
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
        rows.append(
            [
                run.id,
                labels.get(id(run), "–"),
                "–" if rate is None else rate_text(rate),
                str(run.seed),
                run.state,
                str(run.steps_done),
                str(run.divergence_step) if run.divergence_step >= 0 else "–",
                loss_text(run.final_loss),
                "; ".join(part for part in (run.reason, run.problem) if part),
            ]
        )
    return table(columns, rows, (2, 3, 5, 6, 7))


def seed_order(run: Run) -> float:
    return float(run.seed) if isinstance(run.seed, (int, float)) else math.inf
