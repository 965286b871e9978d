# SPDX-License-Identifier: Apache-2.0
"""The claims of a sweep, as `precipice claims` judged them: a table with the verdict as a coloured word, and each claim in
words below. Nothing is judged here."""

from typing import Any, Dict, List

from precipice.html_text import escape, folded, table

# Colours by what a verdict decides, readable on white; the word stands in the cell too.
TONES = {
    "reproduced": "yes",
    "equivalent": "yes",
    "identical": "yes",
    "opposite": "no",
    "smaller than claimed": "no",
    "not equivalent": "no",
    "different": "no",
}
COLUMNS = ("claim", "verdict", "the source says", "setting", "pairs", "claimed", "effect", "interval", "Holm p", "test", "cost, CPU")


def claims_section(report: Dict[str, Any]) -> str:
    claims = report.get("claims", [])
    if not claims:
        return ""
    shown = table("Claims and verdicts", COLUMNS, [claim_row(claim) for claim in claims], range(4, 9), {1: coloured})
    items = "\n".join(f"<li>{escape(sentence(claim))}</li>" for claim in claims)
    return (
        shown
        + folded("Each claim in words, with its source and what should be known", f"<ul>\n{items}\n</ul>")
        + '<p class="note">Written before the runs and judged by the program, within seeds; p is of the margin, and a family '
        f"of claims shares its level by Holm’s rule. Keys and verdicts: docs/CLAIMS.md. Command: {escape(report['command'])}.</p>"
    )


def coloured(verdict: str) -> str:
    return f'<span class="verdict {TONES.get(verdict, "open")}">{escape(verdict)}</span>'


def claim_row(claim: Dict[str, Any]) -> List[str]:
    return [
        claim["id"],
        claim["verdict"],
        claim.get("paper") or "–",
        "literal" if claim["literal"] else "accelerated",
        f"{claim['pairs']} of {claim['asked']}",
        number(claim["claimed"]),
        number(claim["effect"]),
        interval(claim),
        number(claim["holm_p"], ".2g"),
        claim["test"],
        cost(claim),
    ]


def cost(claim: Dict[str, Any]) -> str:
    """Of its runs, which other claims may share; wall time where a run of an earlier version has not recorded the other."""
    seconds = claim["cpu_seconds"]
    if isinstance(seconds, (int, float)):
        return f"{seconds:.3g} s"
    return f"{claim['wall_seconds']:.3g} s of wall time"


def interval(claim: Dict[str, Any]) -> str:
    low, high = claim["interval"]
    if low is None or high is None:
        return "–"
    return f"{number(low)} to {number(high)} ({100 * claim['confidence']:.4g} %)"


def number(value: Any, form: str = ".3g") -> str:
    """JSON has "inf" for what is infinite and null for what is no number."""
    return format(value, form) if isinstance(value, (int, float)) else (value or "–")


def sentence(claim: Dict[str, Any]) -> str:
    parts = [f"{claim['id']}: {claim['says']} ({claim['source']}). Judged: {claim['claim']}"]
    if not claim["literal"]:
        parts.append(f"accelerated by {claim['accelerated']}")
    if claim["changed"]:
        parts.append("changed after its runs began, so it is no prediction")
    if claim["late"]:
        parts.append("written after its runs began, so it is no prediction")
    if claim["n"] < claim["asked"]:
        parts.append(f"judged with {claim['n']} pairs where it asks for {claim['asked']}")
    if claim["looked_at"]:
        parts.append(f"exploratory: it could be judged with {claim['looked_at']} pairs before")
    if claim["sequential"]:
        parts.append("exploratory: its n grew as results came in")
    if claim["dropped"]:
        parts.append(f"{claim['dropped']} pairs without a number left out")
    if claim["would_need"] > 0:
        parts.append(f"would need {claim['would_need']} pairs of fresh seeds")
    if claim["interval_of"]:
        parts.append(f"the interval is of the {claim['interval_of']}")
    if claim["reason"]:
        parts.append(claim["reason"])
    return "; ".join(parts) + "."
