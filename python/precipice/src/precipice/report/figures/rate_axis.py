# SPDX-License-Identifier: Apache-2.0
"""Learning rates along an axis: logarithmic where all are positive, with series set side by side within a few percent of
the distance to the next rate, so that a point is never read as one of another rate."""

import math
from typing import Sequence

import numpy as np
from matplotlib.axes import Axes

from precipice.report.grouping import Sweep
from precipice.report.figures.style import text_points

REACH = 0.05  # of the distance between neighbouring rates: how far the outermost series stand from their rate
MARGIN = 0.3  # of the same distance, beyond the outermost points
LABEL_SIZE = 9


class RateAxis:
    def __init__(self, rates: Sequence[float], series: int):
        self.rates = sorted(rates)
        self.series = series
        self.logarithmic = bool(self.rates) and self.rates[0] > 0
        places = [self.place(rate) for rate in self.rates]
        self.gap = float(np.diff(places).min()) if len(places) > 1 else 1.0

    def place(self, rate: float) -> float:
        return math.log(rate) if self.logarithmic else rate

    def rate_at(self, place: float) -> float:
        return math.exp(place) if self.logarithmic else place

    def beside(self, rate: float, position: int) -> float:
        """Where series number `position` draws its point of a rate: evenly over the band, in order."""
        aside = 2 * position / (self.series - 1) - 1 if self.series > 1 else 0.0
        return self.rate_at(self.place(rate) + REACH * self.gap * aside)

    def show(self, axes: Axes, sweep: Sweep, width: float) -> None:
        """`width`: of the axes, in points; labels that do not fit side by side are turned."""
        if self.logarithmic:
            axes.set_xscale("log")
        around = (REACH + MARGIN) * self.gap
        low, high = self.place(self.rates[0]) - around, self.place(self.rates[-1]) + around
        axes.set_xlim(self.rate_at(low), self.rate_at(high))
        labels = [sweep.rate_name(rate) for rate in self.rates]
        apart = width * self.gap / (high - low)
        turned = len(labels) > 1 and max(text_points(label, LABEL_SIZE) for label in labels) + 4 > apart
        axes.set_xticks(self.rates, [label.replace("$", r"\$") for label in labels], rotation=90 if turned else 0)
        axes.minorticks_off()
        axes.set_xlabel("learning rate")
