# SPDX-License-Identifier: Apache-2.0
"""Spares matplotlib a third of its work. Laying out, measuring and drawing a figure asks each axis for its ticks about 24
times (Axis._update_ticks: locator, formatter, the position of every tick), and between two of these questions nothing changes
but, once or twice, the size of the axes. Within `settled_ticks` an axis whose range, place and rules are what they were
answers as it did. No figure differs by it (tests/scripts/report_figures_test.py): its ticks keep what the first answer gave them."""

import contextlib
from typing import Any, Dict, Iterator, List, Tuple

from matplotlib.axis import Axis

METHOD = "_update_ticks"  # of matplotlib 3.9 and 3.10; where there is none, nothing is spared


@contextlib.contextmanager
def settled_ticks() -> Iterator[None]:
    """Inside it no figure may be changed by other means than layout and drawing."""
    original = getattr(Axis, METHOD, None)
    if original is None:
        yield
        return
    answers: Dict[Axis, Tuple[Any, List[Any]]] = {}

    def answer(axis: Axis) -> List[Any]:
        now = state_of(axis)
        known = answers.get(axis)
        if known is None or known[0] != now:
            # After the question: it may still settle the range.
            ticks = original(axis)
            answers[axis] = known = (state_of(axis), ticks)
        return known[1]

    setattr(Axis, METHOD, answer)
    try:
        yield
    finally:
        setattr(Axis, METHOD, original)


def state_of(axis: Axis) -> Tuple[Any, ...]:
    """All that ticks depend on."""
    rules = (axis.get_major_locator(), axis.get_minor_locator(), axis.get_major_formatter(), axis.get_minor_formatter())
    return (*axis.get_view_interval(), *axis.axes.bbox.bounds, axis.axes.figure.dpi, axis.get_scale(), *map(id, rules))
