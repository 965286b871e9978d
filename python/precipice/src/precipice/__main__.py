# SPDX-License-Identifier: Apache-2.0
"""python -m precipice report DIR...; python -m precipice export DIR OUT --to tensorboard|csv|parquet; ... weights RUN OUT."""

import argparse
import sys
from pathlib import Path
from typing import List, Optional, Sequence

import precipice
from precipice.html_text import clean

EXIT_USAGE, EXIT_OUTPUT = 2, 5  # as of the program itself
FILES = {"tensorboard": "to_tensorboard", "csv": "to_csv", "parquet": "to_parquet"}
TRACKERS = {"wandb": "to_wandb", "mlflow": "to_mlflow", "trackio": "to_trackio"}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m precipice", description="Runs of precipice for other tools (docs/PYTHON.md).")
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report", help="figures and one page; the same as precipice report", add_help=False)
    report.add_argument("words", nargs=argparse.REMAINDER)
    export = commands.add_parser("export", help="the series of a run or sweep as files, or into a tracker")
    export.add_argument("directory", type=Path, metavar="DIR", help="run or sweep directory")
    export.add_argument("out", metavar="OUT", help="folder to write; for a tracker the name of the project or experiment")
    export.add_argument("--to", choices=[*FILES, *TRACKERS], default="tensorboard", help="[tensorboard]")
    weights = commands.add_parser("weights", help="a folder that Hugging Face's from_pretrained reads")
    weights.add_argument("directory", type=Path, metavar="RUN", help="run directory, or a file of precipice export")
    weights.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    weights.add_argument("--step", type=int, metavar="N", help="0: initial weights [the newest checkpoint]")
    return parser


def main(words: Optional[Sequence[str]] = None) -> int:
    arguments = make_parser().parse_args(words)
    if arguments.command == "report":
        from precipice.report.__main__ import main as report

        return report(arguments.words)
    try:
        for line in carry_out(arguments):
            print(clean(line))
    except (precipice.ReportError, precipice.ProgramError, ValueError) as error:
        print(f"precipice: {clean(error)}", file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print(f"precipice: {clean(error)}", file=sys.stderr)
        return EXIT_OUTPUT
    return 0


def carry_out(arguments: argparse.Namespace) -> List[str]:
    if arguments.command == "weights":
        return [f"weights: {precipice.save_pretrained(arguments.directory, arguments.out, arguments.step)}"]
    name = {**FILES, **TRACKERS}[arguments.to]
    done = getattr(precipice, name)(arguments.directory, arguments.out)
    return [f"export: {len(done)} {'files in' if arguments.to in FILES else 'runs in'} {arguments.out}"]


if __name__ == "__main__":
    sys.exit(main())
