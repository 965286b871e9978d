# SPDX-License-Identifier: Apache-2.0
"""scripts/claims_markdown DIR NAME... [--into FILE]: verdicts of `precipice claims` as a Markdown table. Nothing is judged here."""

import argparse
import sys
from pathlib import Path
from typing import Any, Dict, List

from precipice.program import ProgramError
from precipice.report.page.sweep_section import judged
from precipice.runs.run_files import one_line
from precipice.safe_files import Folder

BEGIN, END = "<!-- claims -->", "<!-- end of claims -->"
COLUMNS = ("sweep", "claim", "the source says", "n", "effect", "interval", "Holm p", "verdict")
EXIT_USAGE, EXIT_OUTPUT = 2, 5


def markdown_table(reports: Dict[str, Dict[str, Any]]) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    for name, report in reports.items():
        for claim in report["claims"]:
            cells = [name, capital(claim["says"]), claim.get("paper") or "–", n_text(claim), effect(claim), interval(claim), p_text(claim), verdict(claim)]
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def n_text(claim: Dict[str, Any]) -> str:
    return str(claim["n"]) if claim["n"] == claim["asked"] else f"{claim['n']} of {claim['asked']}"


def effect(claim: Dict[str, Any]) -> str:
    value = claim["effect"]
    if claim["test"] == "bits":
        return f"{round(value * claim['pairs'])} of {claim['pairs']} pairs the same" if is_number(value) else "–"
    if "counts" in claim:
        counts = claim["counts"]
        return f"{counts['only_first']} against {counts['only_second']} of {claim['pairs']} pairs"
    if not is_number(value):
        return str(value or "–")
    if claim["unit"].startswith("ratio"):
        return f"{value:.2f} times"
    return f"{value:+.4f}"


def interval(claim: Dict[str, Any]) -> str:
    """Of the effect; where it is of something else, as of shares of pairs, the JSON has it."""
    low, high = claim["interval"]
    if "counts" in claim or claim["test"] == "bits" or low is None or high is None:
        return "–"
    form = ".2f" if claim["unit"].startswith("ratio") else "+.4f"
    return " to ".join(format(end, form) if is_number(end) else str(end) for end in (low, high))


def p_text(claim: Dict[str, Any]) -> str:
    return f"{claim['holm_p']:.2g}" if is_number(claim["holm_p"]) else "–"


def verdict(claim: Dict[str, Any]) -> str:
    notes = [words for key, words in (("changed", "changed after its runs began"), ("late", "written after its runs began"),
                                      ("sequential", "exploratory"), ("looked_at", "exploratory")) if claim[key]]  # fmt: skip
    return f"**{claim['verdict']}**" + (f" ({notes[0]})" if notes else "")


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def put_into(text: str, table: str) -> str:
    """Raises ValueError where the marks are not there once each, in their order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f'needs one line "{BEGIN}" and one line "{END}" behind it')
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{table}{END}{rest.split(END)[1]}"


def main(words: List[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/claims_markdown", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR", help="where the sweeps are, as runs/back_again")
    parser.add_argument("names", nargs="+", metavar="NAME", help="sweeps in it, in the order of the table")
    parser.add_argument("--into", type=Path, metavar="FILE", help=f'file with the lines "{BEGIN}" and "{END}"')
    arguments = parser.parse_args(words)
    try:
        table = markdown_table({name: judged(arguments.directory / name) for name in arguments.names})
        if arguments.into is None:
            print(table, end="")
        else:
            text = put_into(arguments.into.read_text(encoding="utf-8"), table)
            with Folder.make(arguments.into.parent) as folder:
                folder.write(arguments.into.name, text)
    except (ProgramError, ValueError) as error:
        print(f"claims_markdown: {one_line(error)}", file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print(f"claims_markdown: {one_line(error)}", file=sys.stderr)
        return EXIT_OUTPUT
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
