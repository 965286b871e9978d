# SPDX-License-Identifier: Apache-2.0
"""scripts/report DIR... [--out DIR2] [--lr RATE]"""

import argparse
import sys
from pathlib import Path
from typing import Optional, Sequence

from precipice.html_text import clean
from precipice.progress import Progress

EXIT_USAGE, EXIT_OUTPUT, EXIT_INTERRUPTED = 2, 5, 130  # as of the program itself


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="precipice report",
        description=(
            "Draws the runs of sweeps and single runs into report.html, one file that needs no other, and figures/ "
            "(SVG and PNG). What it shows and how it names formats: docs/REPORT.md."
        ),
    )
    parser.add_argument(
        "directories", type=Path, nargs="+", metavar="DIR", help="sweep or run directory; several stand side by side"
    )
    parser.add_argument("--out", type=Path, metavar="DIR2", help="where to write [DIR; needed for several]")
    parser.add_argument(
        "--lr",
        type=float,
        metavar="RATE",
        help="learning rate of the figures that show one [the best one of the reference, and the lowest at which formats part]",
    )
    return parser


def main(words: Optional[Sequence[str]] = None) -> int:
    parser = make_parser()
    arguments = parser.parse_args(words)
    if arguments.out is None and len(arguments.directories) > 1:
        parser.error("several directories need --out DIR2, where their common report goes")
    out = arguments.out or arguments.directories[0]
    # Behind the words: who asks for help need not wait for matplotlib.
    from precipice.report.making import make_report
    from precipice.runs.run_files import ReportError, one_line

    try:
        with Progress("report") as progress:
            page = make_report(arguments.directories, out, progress.say, arguments.lr)
    except ReportError as error:
        print(f"report: {clean(error)}", file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print(f"report: {clean(one_line(error))}", file=sys.stderr)
        return EXIT_OUTPUT
    except KeyboardInterrupt:
        print("report: interrupted; report.html is as it was", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(f"report: {clean(page)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
