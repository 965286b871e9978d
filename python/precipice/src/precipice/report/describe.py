# SPDX-License-Identifier: Apache-2.0
"""In words what a figure shows, for those who cannot see it."""

import math
from typing import Sequence

import numpy as np

from precipice.report.grouping import Sweep
from precipice.report.statistics import Cell, Curve, seed_band

MOST_LISTED = 10


def listed(phrases: Sequence[str], most: int = MOST_LISTED) -> str:
    """"a; b; c", and how many more there are."""
    if not phrases:
        return "none"
    left_out = len(phrases) - most
    return "; ".join(phrases[:most]) + (f"; and {left_out} more" if left_out > 0 else "")


def last_medians(sweep: Sweep, cells: Sequence[Cell], curves: Sequence[Sequence[Curve]], digits: int = 3) -> str:
    """Of each format the last median that is known, with its step."""
    phrases = []
    for cell, own in zip(cells, curves):
        band = seed_band(own)
        known = np.flatnonzero(np.isfinite(band.middle))
        if len(known):
            value, step = float(band.middle[known[-1]]), int(band.steps[known[-1]])
            phrases.append(f"{sweep.name(cell.label)} {number(value, digits)} at step {step}")
    return listed(phrases)


def number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}" if math.isfinite(value) else "none"
