# SPDX-License-Identifier: Apache-2.0
"""Figures are saved by fewer steps than matplotlib's own, and are the same figures, byte by byte."""

import io
import tempfile
import unittest
from pathlib import Path
from typing import Tuple
from unittest import mock

import numpy as np
import support  # noqa: F401
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from precipice.report.figures import style
from precipice.report.figures.style import Part, Picture, look
from precipice.report.page import pieces, settled_ticks
from precipice.safe_files import Folder

DPI = 40  # of the PNG: the other sizes are its own


def a_figure() -> Tuple[Figure, Picture]:
    """A logarithmic axis with minor ticks, a heat map, which is an image in an SVG, and labels that decide the layout."""
    figure, axes = style.panels(2, 2, share_y=False)
    axes[0].plot(np.arange(1, 50), np.geomspace(1e-4, 3e2, 49))
    axes[0].set_yscale("log")
    axes[0].set_ylabel("a label, which takes room")
    image = axes[1].imshow(np.arange(6.0).reshape(2, 3))
    bar = style.colour_bar(figure, image, [axes[1]], "colours", "colours")
    return figure, Picture("one", "One", "caption", [Part("left", [axes[0]]), Part("right", [axes[1]]), bar])


def saved(figure: Figure, picture: Picture) -> Tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as name, Folder(Path(name)) as folder, mock.patch.object(style, "PNG_DPI", DPI):
        pieces.save(figure, picture, folder)
        return tuple((Path(name) / f"one.{ending}").read_bytes() for ending in ("svg", "png"))


class SavedFigures(unittest.TestCase):
    def setUp(self) -> None:
        context = look()
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def test_the_svg_is_that_of_savefig(self) -> None:
        figure, picture = a_figure()
        svg, _ = saved(figure, picture)
        other, same = a_figure()
        for index, part in enumerate(same.parts):
            for number, axes in enumerate(part.axes):
                axes.set_gid(pieces.group_name(index, number))
        # The layout is that of the PNG's resolution, as hinted text has the widths of its pixels.
        FigureCanvasAgg(other)
        other.set_dpi(DPI)
        other.canvas.draw()
        other.set_layout_engine("none")
        by_matplotlib = io.BytesIO()
        other.savefig(by_matplotlib, format="svg", metadata={"Date": None, "Creator": None, "Title": "One"})
        self.assertEqual(svg, by_matplotlib.getvalue())

    def test_settled_ticks_change_no_figure_and_spare_most_questions(self) -> None:
        asked = []
        original = Axis._update_ticks

        def counted(axis: Axis):
            asked.append(axis)
            return original(axis)

        with mock.patch.object(Axis, "_update_ticks", counted):
            spared, quick = saved(*a_figure()), len(asked)
            with mock.patch.object(settled_ticks, "METHOD", "no such method"):
                asked.clear()
                self.assertEqual(saved(*a_figure()), spared)
        self.assertLess(3 * quick, len(asked))
        self.assertIs(Axis._update_ticks, original)

    def test_ticks_follow_a_range_that_changes(self) -> None:
        figure = Figure(figsize=(4, 3))
        axes = figure.subplots()
        with settled_ticks.settled_ticks():
            for end in (1.0, 50.0):
                axes.set_xlim(0, end)
                axes.xaxis._update_ticks()
                self.assertEqual(max(float(label.get_text()) for label in axes.xaxis.get_ticklabels()), end)


if __name__ == "__main__":
    unittest.main()
