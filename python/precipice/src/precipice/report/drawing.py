# SPDX-License-Identifier: Apache-2.0
"""The figures of the report in the order of its page, by name: the command and Python's callers draw from this table."""

from typing import Callable, Dict, Iterator, List, Optional, Tuple

from matplotlib.figure import Figure

from precipice.report.figures.analysis_figures import sensitivity_figure, survival_figure
from precipice.report.figures.departure_figures import departure_figure
from precipice.report.figures.difference_figures import difference_curves_figure, difference_figure
from precipice.report.figures.exponent_figures import exponent_figure
from precipice.report.figures.histogram_figures import histogram_figure
from precipice.report.figures.ladder_figures import ladder_figure
from precipice.report.figures.landscape_figures import landscape_figure
from precipice.report.figures.lbfgs_figures import lbfgs_figure
from precipice.report.figures.loss_figures import loss_figures
from precipice.report.figures.map_figures import divergence_figure
from precipice.report.figures.online_figures import online_figure
from precipice.report.figures.probe_figures import sharpness_figure, tensor_figure
from precipice.report.figures.raster_figures import raster_figure
from precipice.report.figures.rate_figures import final_loss_figure, loss_by_format_figure
from precipice.report.figures.style import Picture
from precipice.report.grouping import MAX_FORMATS, Sweep
from precipice.report.material import Material

Drawn = Tuple[Figure, Picture]
Draw = Callable[[Material], Iterator[Optional[Drawn]]]


def at_each_rate(draw: Callable[..., Optional[Drawn]], with_analysis: bool = False) -> Draw:
    """A figure of one learning rate, drawn for each of those that are shown. One of a further rate has a name of its own."""

    def drawn(material: Material) -> Iterator[Optional[Drawn]]:
        rates = material.rates
        for rate in rates:
            sweep = material.sweep.at(rate)
            found = draw(sweep, material.analysis) if with_analysis else draw(sweep)
            if found is not None:
                name_by_rate(found[1], sweep, rates, rate)
            yield found

    return drawn


def name_by_rate(picture: Picture, sweep: Sweep, rates: List[float], rate: float) -> None:
    if rate != rates[0]:
        picture.name += f"_{rates.index(rate) + 1}"
    if len(rates) > 1 and "learning rate" not in picture.title:
        picture.title += f" at learning rate {sweep.rate_name(rate)}"


def final_losses(material: Material) -> Iterator[Optional[Drawn]]:
    yield final_loss_figure(material.sweep)
    yield loss_by_format_figure(material.sweep)


def loss_curves(material: Material) -> Iterator[Optional[Drawn]]:
    one_rate = material.rate_was_asked or len(material.sweep.labels) > MAX_FORMATS
    yield from loss_figures(material.sweep, material.analysis, material.rates if one_rate else ())


def landscapes(material: Material) -> Iterator[Optional[Drawn]]:
    found = [drawn for drawn in map(landscape_figure, material.results.directories) if drawn is not None]
    for number, (_, picture) in enumerate(found, start=1):
        picture.name += f"_{number}" * (number > 1)
    yield from found


# What the runs led to first, then how they got there, then details.
FIGURES: Dict[str, Draw] = {
    "final_loss": final_losses,
    "difference": lambda m: iter([difference_figure(m.sweep, m.analysis, m.rates)]),
    "divergence": lambda m: iter([divergence_figure(m.sweep)]),
    "ladder": at_each_rate(ladder_figure, with_analysis=True),
    "loss_curves": loss_curves,
    "difference_curves": at_each_rate(difference_curves_figure, with_analysis=True),
    "raster": at_each_rate(raster_figure, with_analysis=True),
    "survival": lambda m: iter([survival_figure(m.sweep, m.analysis)]),
    "lr_sensitivity": lambda m: iter([sensitivity_figure(m.sweep, m.analysis)]),
    "departures": at_each_rate(departure_figure, with_analysis=True),
    "sharpness": at_each_rate(sharpness_figure),
    "tensors": at_each_rate(tensor_figure),
    "lbfgs": at_each_rate(lbfgs_figure),
    "exponent_ends": at_each_rate(exponent_figure),
    "histograms": at_each_rate(histogram_figure),
    "online": at_each_rate(online_figure),
    "landscapes": landscapes,
}


def drawn_figures(material: Material) -> Iterator[Drawn]:
    for draw in FIGURES.values():
        yield from filter(None, draw(material))
