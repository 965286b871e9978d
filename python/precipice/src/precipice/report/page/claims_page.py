# SPDX-License-Identifier: Apache-2.0
"""scripts/back_again's page: the claims of several sweeps, first all verdicts in one table, then each sweep with its figures.

    python -m precipice.report.page.claims_page DIR NAME...     the sweeps DIR/NAME; writes DIR/report.html, then their own reports
    python -m precipice.report.page.claims_page --page-only DIR NAME...     DIR/report.html with its figures alone
"""

import sys
from pathlib import Path
from typing import Dict, List, Tuple

from precipice.html_text import escape
from precipice.program import ProgramError
from precipice.progress import Progress
from precipice.report.page.page_style import STYLE, shared_definitions
from precipice.report.page.sweep_section import SweepSection, section_of, side_by_side, write_report
from precipice.report.tables.claims_table import claims_section
from precipice.runs.run_files import ReportError, one_line
from precipice.safe_files import Folder

TITLE = "To FP8 and back again, at small scale"
LEAD = (
    "Claims of arXiv 2405.18710, of its peers and of this project’s pilot, on a GPT of 117,056 parameters where a sweep’s file "
    "says no other model: written down before the runs, "
    "judged by the program within seeds. What small scale cannot say is in docs/BACK_AGAIN.md."
)


def page_of(sections: Dict[str, SweepSection]) -> str:
    counts: Dict[str, int] = {}
    for section in sections.values():
        for claim in section.claims["claims"]:
            counts[claim["verdict"]] = counts.get(claim["verdict"], 0) + 1
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    parts = [f"<header>\n<h1>{escape(TITLE)}</h1>\n<p class=\"lead\">{escape(LEAD)} {escape(said)}.</p>\n</header>", "<main>"]
    for name, section in sections.items():
        parts.append(
            f'<section id="{escape(name)}">\n<h2>{escape(name)}</h2>\n{claims_section(section.claims)}\n'
            + "\n".join(section.figures)
            + f'<p><a href="{escape(name)}/report.html">Figures and tables of this sweep</a></p>\n</section>'
        )
    parts.append("</main>")
    body = "\n".join([shared_definitions([section.definitions for section in sections.values()]), *parts])
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(TITLE)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def main(directory: Path, names: List[str], page_only: bool = False) -> int:
    sweeps = {name: directory / name for name in names}
    try:
        with Progress("back_again") as progress:
            progress.say("judging and drawing")
            sections = side_by_side(sweeps, section_of, progress.say)
            with Folder.make(directory) as target:
                target.write("report.html", page_of(sections))
            if not page_only:
                progress.say("the page is written; drawing the sweeps' own reports")
                side_by_side(sweeps, write_report, progress.say)
    except (ReportError, ProgramError, ValueError) as error:
        print(f"back_again: {one_line(error)}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"back_again: {one_line(error)}", file=sys.stderr)
        return 5
    return 0


def words_of(words: List[str]) -> Tuple[List[str], bool]:
    page_only = words[:1] == ["--page-only"]
    rest = words[page_only:]
    return (rest[1:] if rest[:1] == ["--"] else rest), page_only


if __name__ == "__main__":
    given, only = words_of(sys.argv[1:])
    sys.exit(main(Path(given[0]), given[1:], only))
