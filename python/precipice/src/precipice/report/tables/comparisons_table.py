# SPDX-License-Identifier: Apache-2.0
"""Formats against their references as one table: a row for each format, reference and learning rate, decided ones open, the
others folded with the reason. Every number and word is the program's."""

from collections import Counter
from typing import Any, Dict, List, Optional, Sequence, Tuple

from precipice.report.grouping import Sweep
from precipice.html_text import escape, folded, table

OPEN_WORDS = ("undecided", "n too small", "nothing can be said", "")  # verdicts that decide nothing
# How a verdict is coloured: worse than the reference, or better.
TONES = {"higher": "no", "sooner": "no", "lower": "yes", "later": "yes", "equal": "yes"}
KINDS = ("final_loss", "divergence", "failure", "survival")
Row = Dict[str, Dict[str, Any]]  # comparisons by kind

NOTE = (
    "Pairs: seeds that both have; runs of one seed share initial weights and batches. Loss: mean difference in nats, paired t, "
    "its interval at the level that Holm’s rule gives it within its kind; runs that diverged have no loss in nats, and the "
    "pairs left out for that are counted. Diverged: McNemar’s exact test on the pairs that differ. Time: log-rank stratified "
    "by seed, exact. “As groups”: no seeds match; Mann-Whitney, Fisher’s exact and log-rank test instead. “Undecided” is no "
    "proof of equality: the interval says what these runs cannot exclude. Sign, signed-rank and Hodges-Lehmann, which decide "
    "nothing, are in the output of precipice merge."
)


def comparisons_section(statistics: Dict[str, Any], sweep: Sweep) -> str:
    rows = comparison_rows(statistics)
    if not rows:
        return ""
    decided = [row for row in rows if is_decided(row)]
    open_ones = [row for row in rows if not is_decided(row)]
    with_failure = any("failure" in row for row in rows)
    parts = []
    if decided:
        parts.append(rows_table("Decided", decided, sweep, with_failure))
    else:
        parts.append("<p>None of the comparisons is decided by these runs.</p>")
    if open_ones:
        title = f"{len(open_ones)} comparison{'s' if len(open_ones) != 1 else ''} that these runs do not decide"
        body = reasons(open_ones) + rows_table("Not decided", open_ones, sweep, with_failure)
        parts.append(folded(title, body))
    parts.append(f'<p class="note">{escape(NOTE)}</p>')
    return "\n".join(parts)


def comparison_rows(statistics: Dict[str, Any]) -> List[Row]:
    rows: Dict[Tuple[str, str, float], Row] = {}
    for kind in KINDS:
        for entry in statistics.get("comparisons", {}).get(kind, []):
            rows.setdefault((entry["format"], entry["reference"], entry["learning_rate"]), {})[kind] = entry
    return list(rows.values())


def is_decided(row: Row) -> bool:
    return any(entry["verdict"] not in OPEN_WORDS for entry in row.values())


def formats_part(row: Row) -> bool:
    return any(entry["verdict"] not in (*OPEN_WORDS, "equal") for entry in row.values())


def rows_table(caption: str, rows: Sequence[Row], sweep: Sweep, with_failure: bool) -> str:
    columns = ["format", "against", "learning rate", "pairs", "loss, difference", "interval", "Holm p", "loss"]
    columns += ["diverged", "Holm p", "divergence", "time to divergence"]
    if with_failure:
        columns += ["diverged or learnt nothing"]
    words = [7, 10, 11, 12]
    cells = [row_cells(row, sweep, with_failure) for row in rows]
    return table(caption, columns, cells, range(2, 7), {index: coloured for index in words if index < len(columns)})


def row_cells(row: Row, sweep: Sweep, with_failure: bool) -> List[str]:
    head = next(iter(row.values()))
    loss, diverged, survival = row.get("final_loss"), row.get("divergence"), row.get("survival")
    cells = [
        sweep.name(head["format"]),
        sweep.name(head["reference"]),
        sweep.rate_name(head["learning_rate"]),
        pairs_text(head),
        number(loss and loss["effect"], "+.4f"),
        interval_text(loss),
        number(loss and loss["holm_p"], ".2g"),
        word(loss),
        outcome_text(diverged),
        number(diverged and diverged["holm_p"], ".2g"),
        word(diverged),
        word(survival) if survival and survival["verdict"] not in OPEN_WORDS else "",
    ]
    if with_failure:
        failure = row.get("failure")
        cells.append(f"{outcome_text(failure)}: {word(failure)}")
    return cells


def pairs_text(entry: Dict[str, Any]) -> str:
    return str(entry["pairs"]) if entry["paired"] else f"as groups ({entry['n'][0]}, {entry['n'][1]})"


def word(entry: Optional[Dict[str, Any]]) -> str:
    return entry["verdict"] if entry else ""


def coloured(text: str) -> str:
    tone = TONES.get(text.rsplit(": ", 1)[-1], "open")
    return f'<span class="verdict {tone}">{escape(text)}</span>' if text else ""


def interval_text(entry: Optional[Dict[str, Any]]) -> str:
    if not entry or not all(isinstance(end, (int, float)) for end in entry["interval"]):
        return "–"
    low, high = entry["interval"]
    left_out = f"; {entry['dropped']} left out" if entry.get("dropped") else ""
    return f"{low:+.4f} to {high:+.4f} ({100 * entry['confidence']:.3g}%{left_out})"


def outcome_text(entry: Optional[Dict[str, Any]]) -> str:
    if not entry:
        return "–"
    events, runs = entry["events"], entry["n"]
    text = f"{events[0]}/{runs[0]} against {events[1]}/{runs[1]}"
    counts = entry.get("counts")
    if counts and counts["only_first"] + counts["only_second"]:
        text += f" (only it {counts['only_first']}, only the other {counts['only_second']})"
    return text


def number(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, (int, float)) and not isinstance(value, bool) else "–"


def reasons(rows: Sequence[Row]) -> str:
    """Why nothing is decided, each reason once, with how many comparisons have it."""
    counts = Counter(
        f"{'loss' if kind == 'final_loss' else kind}: {entry['reason']}"
        for row in rows
        for kind, entry in row.items()
        if entry.get("reason") and kind != "survival"
    )
    if not counts:
        return ""
    items = "\n".join(f"<li>{escape(text)}{f' ({count} comparisons)' if count > 1 else ''}</li>" for text, count in counts.items())
    return f"<ul>\n{items}\n</ul>"
