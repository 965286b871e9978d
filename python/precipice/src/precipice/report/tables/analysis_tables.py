# SPDX-License-Identifier: Apache-2.0
"""What the page says in words and tables about comparisons, labels and early warning."""

from typing import Any, Dict, List, Sequence, Tuple

from precipice.report.analysis import Analysis
from precipice.report.tables.comparisons_table import comparisons_section
from precipice.report.grouping import Sweep
from precipice.html_text import clean, escape, folded, table

MOST_SIGNALS = 5  # that stand open

Section = Tuple[str, str, str]  # id, title, HTML


def analysis_sections(analysis: Analysis, sweep: Sweep) -> List[Section]:
    against = f"Formats against {clean(analysis.statistics.get('reference', ''))}"
    found = [
        ("comparisons", against, comparisons_section(analysis.statistics, sweep)),
        ("labels", "What happened, by every definition", labels(analysis.labels)),
        ("warnings", "Early warning", warnings(analysis.warnings)),
    ]
    if analysis.problems:
        items = "".join(f"<li>{escape(problem)}</li>" for problem in analysis.problems)
        found.append(("missing", "Statistics that are missing", f"<ul>{items}</ul>"))
    return [section for section in found if section[2]]


def labels(report: Dict[str, Any]) -> str:
    counts = report.get("counts")
    if not counts:
        return ""
    rows = []
    for rule, count in counts.items():
        first = [label for label in report["labels"] if label["rule"] == rule and label["outcome"] == "yes"]
        in_warmup = sum(label["in_warmup"] for label in first)
        apart = count.get("untrained", 0) + count.get("skipped", 0)
        rows.append([rule, *map(str, (count["yes"], count["no"], apart, count["undecided"], in_warmup))])
    columns = ("rule", "yes", "no", "of these, learnt nothing", "undecided", "yes in warm-up")
    return (
        table("Runs per label, by rule", columns, rows, range(1, 6))
        + '<p class="note">Definitions are in docs/METRICS.md. Undecided: the series is too short for the rule, '
        "or the run has not ended. Learnt nothing: untrained (final loss not below the unigram entropy of the data) or "
        "skipped (half of the steps or more left out by the loss scale).</p>"
    )


def warnings(report: Dict[str, Any]) -> str:
    if not report.get("signals"):
        return ""
    within = [str(key).rsplit(".", 1)[-1] for key in report.get("within", [])]
    compared = f", compared only where they agree in {listed_words(within)}" if within else ""
    head = f"<p>{report['cases']} runs diverged (rule {escape(report['rule'])}), {report['controls']} did not"
    parts = [f"{head}{escape(not_trained(report) + compared)}.</p>"]
    shown, hidden = best_apart([row for row in report["signals"] if has_numbers(row)], report.get("best", []))
    if shown:
        title = f"The {len(shown)} signals that tell diverging runs apart best" if hidden else "Signals"
        parts.append(signal_table(title, shown) + SIGNAL_NOTE)
    if hidden:
        parts.append(folded(f"{len(hidden)} more rows: other signals and horizons", signal_table("Other signals", hidden)))
    reasons = sorted({row["reason"] for row in report["signals"] if not has_numbers(row)})
    if reasons:
        parts.append(f'<p class="note">Signals without numbers: {escape("; ".join(reasons))}.</p>')
    tried = [alarm for alarm in report["alarms"] if alarm["detected"]["trials"]]
    if tried:
        parts.append(folded("Alarms: thresholds chosen on half of the seeds, tried on the others", alarm_table(tried)))
    if report["absent"]:
        parts.append(f'<p class="note">Not logged: {escape(", ".join(report["absent"]))}.</p>')
    for note in report["notes"]:
        parts.append(f'<p class="note">{escape(note)}</p>')
    return "\n".join(parts)


def listed_words(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def not_trained(report: Dict[str, Any]) -> str:
    counts = [f"{report[state]} {state}" for state in ("untrained", "skipped") if report.get(state)]
    return f" (of them {', '.join(counts)})" if counts else ""


def has_numbers(row: Dict[str, Any]) -> bool:
    return "reason" not in row or row["holm_p"] is not None


def best_apart(rows: List[Dict[str, Any]], best: Sequence[str]) -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
    """Of the best signals the horizon at which each tells most; then all other rows, in order. `best`: names by the program's
    rank, if it gives one."""
    ranked = sorted(rows, key=telling)
    if best:
        ranked.sort(key=lambda row: best.index(row["signal"]) if row["signal"] in best else len(best))
    firsts = {}
    for row in ranked:
        firsts.setdefault(row["signal"], row)
    shown = list(firsts.values())[:MOST_SIGNALS]
    return shown, [row for row in rows if not any(row is each for each in shown)]


def telling(row: Dict[str, Any]) -> Tuple[int, float]:
    """Signals that warn, then the other way round, then the undecided; in each by the distance of the AUC from chance."""
    auc = row["auc"] if isinstance(row["auc"], (int, float)) else 0.5
    return {"warns": 0, "inverse": 1}.get(row["verdict"], 2), -abs(auc - 0.5)


SIGNAL_NOTE = (
    '<p class="note">AUC of diverged against other runs at the same step; n: diverged + others that can be compared; '
    "interval by run (DeLong, Student’s t). AUPRC of a signal without information is the share of cases, beside it. "
    "Baseline: the one of loss, its variance, gradient norm and update ratio with the largest AUC.</p>"
)


def signal_table(title: str, rows: List[Dict[str, Any]]) -> str:
    columns = ("signal", "steps ahead", "n", "AUC", "95% interval", "Holm p", "AUPRC", "cases/n", "verdict")
    columns += ("difference from baseline", "its 95% interval", "than baseline")
    return table(title, columns, [signal_row(row) for row in rows], range(1, 8))


def signal_row(row: Dict[str, Any]) -> List[str]:
    against = row["against_baseline"]
    return [
        row["signal"],
        str(row["horizon"]),
        f"{row['cases']} + {row['controls']}",
        text(row["auc"], ".3f"),
        interval(row["interval"], ".2f"),
        text(row["holm_p"], ".2g"),
        text(row["average_precision"], ".2f"),
        text(row["base_rate"], ".2f"),
        row["verdict"],
        text(against["difference"], "+.3f"),
        interval(against["interval"], "+.2f"),
        f"{against['verdict']} ({against['baseline']})" if against["verdict"] != "-" else "–",
    ]


def alarm_table(alarms: List[Dict[str, Any]]) -> str:
    rows = []
    for alarm in alarms:
        counts = [f"{alarm[key]['events']}/{alarm[key]['trials']}" for key in ("detected", "false_alarms")]
        ranges = [interval(alarm[key]["wilson"], ".2f") for key in ("detected", "false_alarms")]
        lead = text(alarm["median_lead"], "g")
        rows.append([alarm["signal"], counts[0], ranges[0], counts[1], ranges[1], lead])
    columns = ("signal", "announced", "95% interval", "false alarms", "their 95% interval", "median lead, steps")
    return table("Alarms by signal", columns, rows, range(1, 6)) + (
        '<p class="note">Thresholds for at most 5% false alarms, chosen on one half of the seeds and tried on the '
        "other.</p>"
    )


def text(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, (int, float)) else "–"


def interval(pair: Any, form: str) -> str:
    return f"{format(pair[0], form)} to {format(pair[1], form)}" if pair[0] is not None else "–"
