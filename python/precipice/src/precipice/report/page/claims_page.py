# SPDX-License-Identifier: Apache-2.0
"""scripts/back_again's page: the claims of several sweeps, first all verdicts in one table, then each sweep with its figures.

    python -m precipice.report.page.claims_page DIR NAME...     the sweeps DIR/NAME; writes DIR/report.html and their own reports
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Sequence

from precipice.report.making import make_report
from precipice.program import program_path
from precipice.report.tables.claims_table import claims_section
from precipice.html_text import escape
from precipice.report.page.page import figure
from precipice.report.page.page_style import STYLE
from precipice.report.page.pieces import shared_definitions
from precipice.progress import Progress
from precipice.runs.run_files import ReportError, one_line
from precipice.report.figures.style import Picture
from precipice.safe_files import Folder

SHOWN = ("ladder", "departures", "raster", "difference", "final_loss", "survival", "divergence", "exponent_ends")
MOST_FIGURES = 3  # of a sweep
TITLE = "To FP8 and back again, at small scale"
LEAD = (
    "Claims of arXiv 2405.18710, of its peers and of this project’s pilot, on a GPT of 117,056 parameters where a sweep’s file "
    "says no other model: written down before the runs, "
    "judged by the program within seeds. What small scale cannot say is in docs/BACK_AGAIN.md."
)


def judged(program: str, sweep: Path) -> Dict[str, Any]:
    done = subprocess.run([program, "claims", "--json", "--", str(sweep)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip())
    return json.loads(done.stdout)


def chosen(drawn: Sequence[Picture]) -> List[Picture]:
    """The figures that the claims of a sweep are about, in the order of SHOWN, MOST_FIGURES at most."""
    found = [picture for name in SHOWN for picture in drawn if picture.name == name]
    return found[:MOST_FIGURES]


def renamed_for(sweep: str, picture: Picture) -> Picture:
    """Its files lie in the sweep's own folder."""
    return replace(picture, name=f"{sweep}/figures/{picture.name}")


def page_of(reports: Dict[str, Dict[str, Any]], pictures: Dict[str, List[Picture]]) -> str:
    counts: Dict[str, int] = {}
    for report in reports.values():
        for claim in report["claims"]:
            counts[claim["verdict"]] = counts.get(claim["verdict"], 0) + 1
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    parts = [f"<header>\n<h1>{escape(TITLE)}</h1>\n<p class=\"lead\">{escape(LEAD)} {escape(said)}.</p>\n</header>", "<main>"]
    for name, report in reports.items():
        parts.append(
            f'<section id="{escape(name)}">\n<h2>{escape(name)}</h2>\n{claims_section(report)}\n'
            + "\n".join(f"<h3>{escape(each.title)}</h3>\n{figure(each, '')}" for each in pictures.get(name, []))
            + f'<p><a href="{escape(name)}/report.html">Figures and tables of this sweep</a></p>\n</section>'
        )
    parts.append("</main>")
    body = "\n".join([shared_definitions([each for own in pictures.values() for each in own]), *parts])
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(TITLE)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def main(directory: Path, names: List[str]) -> int:
    program = str(program_path())
    reports: Dict[str, Dict[str, Any]] = {}
    pictures: Dict[str, List[Picture]] = {}
    try:
        with Progress("back_again") as progress:
            for name in names:
                progress.say(f"judging {name}")
                reports[name] = judged(program, directory / name)
                drawn: List[Picture] = []
                make_report(directory / name, directory / name, progress.say, drawn=drawn)
                pictures[name] = [renamed_for(name, picture) for picture in chosen(drawn)]
        with Folder.make(directory) as target:
            target.write("report.html", page_of(reports, pictures))
    except (ReportError, ValueError) as error:
        print(f"back_again: {one_line(error)}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"back_again: {one_line(error)}", file=sys.stderr)
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[2 if sys.argv[1] == "--" else 1]), sys.argv[3 if sys.argv[1] == "--" else 2 :]))
