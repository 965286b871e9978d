# SPDX-License-Identifier: Apache-2.0
"""scripts/report DIR [--out DIR2]"""

import argparse
import math
import sys
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

from matplotlib.figure import Figure

from report_lib.analysis import Analyses, Analysis, adopt_names
from report_lib.analysis_figures import sensitivity_figure, survival_figure
from report_lib.comparisons_table import comparison_rows, formats_part
from report_lib.departure_figures import departure_figure
from report_lib.difference_figures import difference_curves_figure, difference_figure
from report_lib.grouping import MAX_FORMATS, Sweep
from report_lib.exponent_figures import exponent_figure
from report_lib.histogram_figures import histogram_figure
from report_lib.html_text import clean
from report_lib.ladder_figures import ladder_figure
from report_lib.landscape_figures import landscape_figure
from report_lib.lbfgs_figures import lbfgs_figure
from report_lib.loss_figures import loss_figures
from report_lib.map_figures import divergence_figure
from report_lib.online_figures import online_figure
from report_lib.page import build_page
from report_lib.pieces import save
from report_lib.probe_figures import sharpness_figure, tensor_figure
from report_lib.progress import Progress
from report_lib.raster_figures import raster_figure
from report_lib.rate_figures import final_loss_figure, loss_by_format_figure
from report_lib.results import Results, find_results, read_sweep_record
from report_lib.run_files import ReportError, one_line
from report_lib.style import Picture
from safe_files import Folder

EXIT_USAGE, EXIT_OUTPUT, EXIT_INTERRUPTED = 2, 5, 130  # as of the program itself


def make_report(
    directory: Path,
    out: Path,
    say: Callable[[str], None],
    asked: Optional[float] = None,
    drawn: Optional[List[Picture]] = None,
) -> Path:
    """`asked`: the learning rate that figures of one rate show, instead of the best one and the lowest at which formats part.
    `drawn` takes the figures of the page."""
    with Analyses(directory, read_sweep_record(directory / "sweep.toml").axes) as analyses:
        results = find_results(directory, say)
        sweep = Sweep(results.runs, results.record.labels)
        analysis = analyses.wait(say)
    adopt_names(analysis, sweep)
    rates = shown_rates(sweep, analysis, asked)
    with Folder.make(out) as target, target.folder("figures") as folder:
        pictures: List[Picture] = []
        for figure, picture in drawn_figures(results, sweep, analysis, rates, asked is not None):
            say(f"drawing: {picture.title}")
            pictures.append(save(figure, picture, folder, results.command))
        target.write("report.html", build_page(results, sweep, pictures, analysis, rates))
    if drawn is not None:
        drawn += pictures
    return out / "report.html"


def shown_rates(sweep: Sweep, analysis: Analysis, asked: Optional[float]) -> List[float]:
    """Of figures that show one learning rate: the one asked for; else the best one of the reference, and the lowest at which
    formats part."""
    if asked is not None:
        for rate in sweep.rates:
            if math.isclose(rate, asked, rel_tol=1e-6):
                sweep.reasons[rate] = "which was asked for"
                return [rate]
        known = ", ".join(map(sweep.rate_name, sweep.rates)) or "none"
        raise ReportError(f"--lr {asked:g}: no run has this learning rate; there are {known}")
    best = sweep.best_rate
    if best is None:
        return []
    rows = [row for row in comparison_rows(analysis.statistics) if formats_part(row)]
    parting = [entry["learning_rate"] for row in rows for entry in row.values()]
    if not parting or min(parting) == best:
        return [best]
    sweep.reasons[min(parting)] = "the lowest at which formats part"
    return [best, min(parting)]


def drawn_figures(
    results: Results, sweep: Sweep, analysis: Analysis, rates: Sequence[float], is_asked: bool
) -> Iterator[Tuple[Figure, Picture]]:
    """What the runs led to first, then how they got there, then details."""
    for draw in (final_loss_figure, loss_by_format_figure):
        yield from filter(None, [draw(sweep)])
    yield from filter(None, [difference_figure(sweep, analysis, rates)])
    yield from filter(None, [divergence_figure(sweep)])
    for rate in rates:
        yield from numbered(sweep, rates, rate, ladder_figure(sweep.at(rate), analysis))
    yield from loss_figures(sweep, analysis, rates if is_asked or len(sweep.labels) > MAX_FORMATS else ())
    for rate in rates:
        yield from numbered(sweep, rates, rate, difference_curves_figure(sweep.at(rate), analysis))
    for rate in rates:
        yield from numbered(sweep, rates, rate, raster_figure(sweep.at(rate), analysis))
    for draw_analysis in (survival_figure, sensitivity_figure):
        yield from filter(None, [draw_analysis(sweep, analysis)])
    for rate in rates:
        yield from numbered(sweep, rates, rate, departure_figure(sweep.at(rate), analysis))
    for draw in (sharpness_figure, tensor_figure, lbfgs_figure, exponent_figure, histogram_figure, online_figure):
        for rate in rates:
            yield from numbered(sweep, rates, rate, draw(sweep.at(rate)))
    yield from filter(None, [landscape_figure(results.directory)])


def numbered(
    sweep: Sweep, rates: Sequence[float], rate: float, drawn: Optional[Tuple[Figure, Picture]]
) -> Iterator[Tuple[Figure, Picture]]:
    """A figure of a further rate has a name of its own."""
    if drawn is not None:
        picture = drawn[1]
        if rate != rates[0]:
            picture.name += f"_{rates.index(rate) + 1}"
        if len(rates) > 1 and "learning rate" not in picture.title:
            picture.title += f" at learning rate {sweep.rate_name(rate)}"
        yield drawn


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/report",
        description=(
            "Draws the runs of a sweep, or one run, into DIR/report.html, one file that needs no other, and DIR/figures "
            "(SVG and PNG). What it shows and how it names formats: docs/REPORT.md."
        ),
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="sweep directory or run directory")
    parser.add_argument("--out", type=Path, metavar="DIR2", help="where to write instead of DIR")
    parser.add_argument(
        "--lr",
        type=float,
        metavar="RATE",
        help="learning rate of the figures that show one [the best one of the reference, and the lowest at which formats part]",
    )
    arguments = parser.parse_args()
    try:
        with Progress("report") as progress:
            page = make_report(arguments.directory, arguments.out or arguments.directory, progress.say, arguments.lr)
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
