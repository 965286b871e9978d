# SPDX-License-Identifier: Apache-2.0
"""What a sweep found, in a few sentences on top of its page: which formats end higher or lower than their references at the
best rate and at the lowest one at which formats part, where runs diverge, and how much is open. Words follow the program's
verdicts and go no further."""

from typing import Any, Dict, List, Sequence

from precipice.report.analysis import Analysis
from precipice.report.tables.comparisons_table import comparison_rows, is_decided
from precipice.report.grouping import Sweep

MOST_NAMED = 4


def headline(sweep: Sweep, analysis: Analysis, rates: Sequence[float]) -> List[str]:
    """Sentences; `rates`: those that the page shows, the best one first."""
    statistics = analysis.statistics
    losses = statistics.get("comparisons", {}).get("final_loss", [])
    if not losses:
        return []
    sentences = [text for rate in rates for text in [at_rate(sweep, losses, rate)] if text]
    sentences += divergence_sentences(sweep, statistics)
    rows = comparison_rows(statistics)
    open_ones = sum(not is_decided(row) for row in rows)
    if open_ones:
        sentences.append(f"{open_ones} of {len(rows)} comparisons are undecided.")
    return sentences


def at_rate(sweep: Sweep, losses: Sequence[Dict[str, Any]], rate: float) -> str:
    own = [entry for entry in losses if entry["learning_rate"] == rate]
    decided = [entry for entry in own if entry["verdict"] in ("higher", "lower", "equal")]
    decided.sort(key=lambda entry: -abs(entry["effect"]) if isinstance(entry["effect"], (int, float)) else 0)
    if not own:
        return ""
    at = f"At learning rate {sweep.rate_name(rate)}, {sweep.why_of(rate)},"
    if not decided:
        return f"{at} no format’s final loss is told from its reference’s."
    said = [loss_words(sweep, entry) for entry in decided[:MOST_NAMED]]
    more = len(decided) - len(said)
    rest = f", and {more} more differ" if more > 0 else ""
    return f"{at} {'; '.join(said)}{rest}."


def loss_words(sweep: Sweep, entry: Dict[str, Any]) -> str:
    name, other = sweep.name(entry["format"]), sweep.name(entry["reference"])
    if entry["verdict"] == "equal":
        return f"{name} ends at the same loss as {other} in every seed"
    low, high = entry["interval"]
    ends = f" ({low:+.4f} to {high:+.4f})" if all(isinstance(end, (int, float)) for end in (low, high)) else ""
    size = entry["effect"]
    by = f"{abs(size):.4f} nats " if isinstance(size, (int, float)) else ""
    return f"{name} ends {by}{entry['verdict']} than {other}{ends}"


def divergence_sentences(sweep: Sweep, statistics: Dict[str, Any]) -> List[str]:
    cells = [cell for cell in statistics.get("cells", []) if cell["diverged"]["events"]]
    if not cells:
        return ["No run diverged."]
    lowest = min(cell["learning_rate"] for cell in cells)
    counts = [
        f"{sweep.name(cell['format'])} {cell['diverged']['events']}/{cell['diverged']['trials']}"
        for cell in cells
        if cell["learning_rate"] == lowest
    ]
    more = f", and {len(counts) - MOST_NAMED} more formats" if len(counts) > MOST_NAMED else ""
    first = f"Runs diverge from learning rate {sweep.rate_name(lowest)} on ({', '.join(counts[:MOST_NAMED])}{more})"
    told = [
        f"{sweep.name(entry['format'])} {'more' if entry['verdict'] == 'higher' else 'less'} often than "
        f"{sweep.name(entry['reference'])} at {sweep.rate_name(entry['learning_rate'])}"
        for entry in statistics["comparisons"].get("divergence", [])
        if entry["verdict"] in ("higher", "lower")
    ]
    if not told:
        return [f"{first}; no format is told from its reference by how many of its runs did."]
    more = f", and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return [f"{first}; decided: {', '.join(told[:MOST_NAMED])}{more}."]
