# SPDX-License-Identifier: Apache-2.0
"""What the page says in words and tables about comparisons, labels and early warning."""

import html
from typing import Any, Dict, List

from report_lib.analysis import Analysis
from report_lib.tables import table

SHOWN_SIGNALS = 5  # the rest is folded
KINDS = {"divergence": "Divergence", "survival": "Time to divergence", "final_loss": "Final loss"}


def analysis_html(analysis: Analysis) -> str:
    parts = [comparisons(analysis.statistics), labels(analysis.labels), warnings(analysis.warnings)]
    if analysis.problems:
        items = "".join(f"<li>{html.escape(problem)}</li>" for problem in analysis.problems)
        parts.append(f"<h2>Statistics that are missing</h2>\n<ul>{items}</ul>")
    return "\n".join(part for part in parts if part)


def comparisons(statistics: Dict[str, Any]) -> str:
    lists = statistics.get("comparisons", {})
    if not any(lists.values()):
        return ""
    parts = [f"<h2>Formats against {html.escape(statistics['reference'])}</h2>"]
    for kind, title in KINDS.items():
        sentences = [html.escape(pair["sentence"]) for pair in lists.get(kind, [])]
        if sentences:
            items = "\n".join(f"<li>{sentence}</li>" for sentence in sentences)
            parts.append(f"<h3>{title}</h3>\n<ul>\n{items}\n</ul>")
    parts.append(
        '<p class="note">Holm’s correction counts the comparisons of one heading. “Undecided” is no proof of '
        "equality: the interval says what differences these runs cannot exclude.</p>"
    )
    return "\n".join(parts)


def labels(report: Dict[str, Any]) -> str:
    counts = report.get("counts")
    if not counts:
        return ""
    rows = []
    for rule, count in counts.items():
        first = [label for label in report["labels"] if label["rule"] == rule and label["outcome"] == "yes"]
        in_warmup = sum(label["in_warmup"] for label in first)
        rows.append([rule, *(str(count[key]) for key in ("yes", "no", "undecided")), str(in_warmup)])
    return (
        "<h2>What happened, by every definition</h2>\n"
        + table(("rule", "yes", "no", "undecided", "yes in warm-up"), rows, range(1, 5))
        + '<p class="note">Runs per label; definitions in docs/METRICS.md. Undecided: the series is too short for the rule, '
        "or the run has not ended.</p>"
    )


def warnings(report: Dict[str, Any]) -> str:
    if not report.get("signals"):
        return ""
    numbers = [row for row in report["signals"] if row["holm_p"] is not None]
    best = report["best"][:SHOWN_SIGNALS]
    shown = [row for row in numbers if row["signal"] in best]
    rest = [row for row in numbers if row["signal"] not in best]
    head = f"<h2>Early warning</h2>\n<p>{report['cases']} runs diverged (rule {html.escape(report['rule'])}), "
    parts = [head + f"{report['controls']} did not{not_trained(report)}. Compared are runs of equal settings.</p>"]
    if shown:
        parts.append(signal_table(shown))
    if rest:
        names = len({row["signal"] for row in rest})
        parts.append(f"<details><summary>{names} more signals</summary>\n{signal_table(rest)}</details>")
    hidden = sorted({row["reason"] for row in report["signals"] if row["holm_p"] is None and "reason" in row})
    if hidden:
        parts.append(f'<p class="note">Signals without numbers: {html.escape("; ".join(hidden))}.</p>')
    tried = [alarm for alarm in report["alarms"] if alarm["detected"]["trials"]]
    of_best = [alarm for alarm in tried if alarm["signal"] in best]
    if of_best:
        parts.append(alarm_table(of_best))
    if len(tried) > len(of_best):
        others = alarm_table([alarm for alarm in tried if alarm["signal"] not in best])
        parts.append(f"<details><summary>Alarms of {len(tried) - len(of_best)} more signals</summary>\n{others}</details>")
    if report["absent"]:
        parts.append(f'<p class="note">Not logged: {html.escape(", ".join(report["absent"]))}.</p>')
    for note in report["notes"]:
        parts.append(f'<p class="note">{html.escape(note)}</p>')
    return "\n".join(parts)


def not_trained(report: Dict[str, Any]) -> str:
    counts = [f"{report[state]} {state}" for state in ("untrained", "skipped") if report[state]]
    return f" (of them {', '.join(counts)})" if counts else ""


def signal_table(rows: List[Dict[str, Any]]) -> str:
    columns = ("signal", "steps ahead", "n", "AUC", "95% interval", "Holm p", "AUPRC", "cases/n", "verdict")
    columns += ("difference from baseline", "95% interval", "than baseline")
    return table(columns, [signal_row(row) for row in rows], range(1, 8)) + (
        '<p class="note">AUC of diverged against other runs at the same step; n: diverged + others that can be compared; '
        "interval by run (DeLong, Student’s t). AUPRC of a signal without information is the share of cases, beside it. "
        "Baseline: the one of loss, its variance, gradient norm and update ratio with the largest AUC.</p>"
    )


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
    columns = ("signal", "announced", "95% interval", "false alarms", "95% interval", "median lead, steps")
    return table(columns, rows, range(1, 6)) + (
        '<p class="note">Thresholds for at most 5% false alarms, chosen on one half of the seeds and tried on the '
        "other.</p>"
    )


def text(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, (int, float)) else "–"


def interval(pair: Any, form: str) -> str:
    return f"{format(pair[0], form)} to {format(pair[1], form)}" if pair[0] is not None else "–"
