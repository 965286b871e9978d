# SPDX-License-Identifier: Apache-2.0
"""Makes the report: gathers, draws, and writes the page and its figures."""

from pathlib import Path
from typing import Callable, List, Optional, Sequence, Union

from precipice.report.drawing import drawn_figures
from precipice.report.figures.style import Picture, look
from precipice.report.material import gather
from precipice.report.page.page import build_page
from precipice.report.page.pieces import save
from precipice.safe_files import Folder


def make_report(
    directories: Union[Path, Sequence[Path]],
    out: Path,
    say: Callable[[str], None],
    asked: Optional[float] = None,
) -> Path:
    """Writes report.html and figures/ into `out`, of one directory or of several side by side. `asked`: the learning rate
    that figures of one rate show."""
    several = [directories] if isinstance(directories, Path) else list(directories)
    material = gather(several, asked, say)
    with look(), Folder.make(out) as target, target.folder("figures") as folder:
        pictures: List[Picture] = []
        for figure, picture in drawn_figures(material):
            say(f"drawing: {picture.title}")
            pictures.append(save(figure, picture, folder, material.results.command))
        page = build_page(material.results, material.sweep, pictures, material.analysis, material.rates)
        target.write("report.html", page)
    return out / "report.html"
