# SPDX-License-Identifier: Apache-2.0
"""scripts/report DIR [--out DIR2]"""

import argparse
import sys
from pathlib import Path
from typing import List

from report_lib.analysis import analyse
from report_lib.analysis_figures import sensitivity_figure, survival_figure
from report_lib.grouping import Sweep
from report_lib.histogram_figures import histogram_figure
from report_lib.landscape_figures import landscape_figure
from report_lib.lbfgs_figures import lbfgs_figure
from report_lib.loss_figures import loss_figures
from report_lib.online_figures import online_figure
from report_lib.page import build_page
from report_lib.probe_figures import sharpness_figure, tensor_figure
from report_lib.rate_figures import divergence_figure, final_loss_figure
from report_lib.results import find_results
from report_lib.run_files import ReportError, one_line
from report_lib.style import Picture, save
from safe_files import Folder

EXIT_USAGE, EXIT_OUTPUT = 2, 5  # as of the program itself


def make_report(directory: Path, out: Path) -> Path:
    results = find_results(directory)
    sweep = Sweep(results.runs)
    analysis = analyse(directory)
    drawn = list(loss_figures(sweep, analysis))
    drawn += filter(
        None, (draw(sweep) for draw in (final_loss_figure, divergence_figure, sharpness_figure, tensor_figure))
    )
    drawn[-2:-2] = filter(None, (draw(sweep, analysis) for draw in (survival_figure, sensitivity_figure)))
    drawn += filter(
        None, (lbfgs_figure(sweep), histogram_figure(sweep), online_figure(sweep), landscape_figure(directory))
    )
    with Folder.make(out) as target, target.folder("figures") as folder:
        pictures: List[Picture] = [save(figure, picture, folder) for figure, picture in drawn]
        target.write("report.html", build_page(results, sweep, pictures, analysis))
    return out / "report.html"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/report",
        description=("Draws the runs of a sweep, or one run, into DIR/report.html and DIR/figures."),
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="sweep directory or run directory")
    parser.add_argument("--out", type=Path, metavar="DIR2", help="where to write instead of DIR")
    arguments = parser.parse_args()
    try:
        page = make_report(arguments.directory, arguments.out or arguments.directory)
    except ReportError as error:
        print(f"report: {error}", file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print(f"report: {one_line(error)}", file=sys.stderr)
        return EXIT_OUTPUT
    print(f"report: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
