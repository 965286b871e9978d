# SPDX-License-Identifier: Apache-2.0
"""Keeps a figure as SVG and PNG files, and takes it apart for the page: each part becomes a picture of its own, which fits
a phone at the size of its text. A part of an SVG file is the groups of its axes within their box; of a heavy one, or one
whose axes draw outside their groups, it is cut out of the PNG."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from typing import Dict, List

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from precipice.report.figures import style
from precipice.html_text import clean, escape
from precipice.report.figures.style import Part, Picture
from precipice.report.page.settled_ticks import settled_ticks
from precipice.safe_files import Folder

MAX_INLINE_SVG = 400_000  # bytes of a part; a heavier one goes into the page as PNG
POINTS_PER_INCH, PIXELS_PER_INCH = 72, 96  # of SVG files, of CSS
PNG_LEVEL = 4  # of zlib: 6 takes twice as long for files that are a few percent smaller
PADDING = 3  # points around a part
GROWTH = 1.3  # how far a wide page may enlarge a part
XLINK = "{http://www.w3.org/1999/xlink}href"


def save(figure: Figure, picture: Picture, folder: Folder, origin: str = "") -> Picture:
    """`origin`: the command that made the runs; the files carry it."""
    for index, part in enumerate(picture.parts):
        for number, axes in enumerate(part.axes):
            axes.set_gid(group_name(index, number))
    svg, png = io.BytesIO(), io.BytesIO()
    canvas = FigureCanvasAgg(figure)
    own_dpi = figure.get_dpi()
    figure.set_dpi(style.PNG_DPI)
    about = {"Title": clean(picture.title), "Description": clean(origin) or None}
    with style.quiet_about_glyphs(), settled_ticks():
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        boxes = [box_of(part, canvas) for part in picture.parts]
        figure.set_layout_engine("none")  # the layout is done, once for both files
        # Not by savefig, which draws once more before it writes, for layouts that are not done.
        figure.set_dpi(own_dpi)  # of images inside, as those of heat maps
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None, **about})
    resolution = (style.PNG_DPI, style.PNG_DPI)
    Image.fromarray(pixels).save(png, format="png", dpi=resolution, pnginfo=png_text(about), compress_level=PNG_LEVEL)
    folder.write(f"{picture.name}.svg", svg.getvalue())
    folder.write(f"{picture.name}.png", png.getvalue())
    drawing = None if picture.raster else Drawing(svg.getvalue())
    for index, (part, box) in enumerate(zip(picture.parts, boxes)):
        names = [group_name(index, number) for number in range(len(part.axes))]
        cut = drawing.cut(names, box, part) if drawing else ""
        light = 0 < len(cut) <= MAX_INLINE_SVG
        picture.pieces.append(cut if light else raster_part(pixels, box, part))
    picture.least_width = round(max((natural_width(box) for box in boxes), default=0))
    if drawing:
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', "".join(picture.pieces)))
        picture.definitions = {name: text for name, text in drawing.definitions.items() if name in used}
    return picture


def png_text(about: Dict[str, str]):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in about.items():
        if value:
            info.add_itxt(key, value)
    return info


def group_name(part: int, axes: int) -> str:
    return f"part-{part}-{axes}"


def box_of(part: Part, canvas: FigureCanvasAgg) -> Bbox:
    """In points, from the upper left corner of the figure."""
    renderer = canvas.get_renderer()
    whole = Bbox.union([axes.get_tightbbox(renderer) for axes in part.axes])
    scale = POINTS_PER_INCH / style.PNG_DPI
    height = canvas.figure.get_figheight() * POINTS_PER_INCH
    width = canvas.figure.get_figwidth() * POINTS_PER_INCH
    return Bbox.from_extents(
        max(whole.x0 * scale - PADDING, 0),
        max(height - whole.y1 * scale - PADDING, 0),
        min(whole.x1 * scale + PADDING, width),
        min(height - whole.y0 * scale + PADDING, height),
    )


class Drawing:
    """An SVG file of matplotlib's: its groups by name, and what they refer to by id."""

    def __init__(self, svg: bytes):
        root = ElementTree.fromstring(svg)
        self.definitions: Dict[str, str] = {}
        for element in root.iter():
            element.tag = element.tag.rsplit("}", 1)[-1]
            if XLINK in element.attrib:
                element.set("href", element.attrib.pop(XLINK))
        for parent in list(root.iter()):
            for defs in parent.findall("defs"):
                for each in defs:
                    if "id" in each.attrib:
                        self.definitions[each.attrib["id"]] = ElementTree.tostring(each, encoding="unicode")
                parent.remove(defs)
        self.groups = {element.attrib["id"]: element for element in root.iter("g") if "id" in element.attrib}

    def cut(self, names: List[str], box: Bbox, part: Part) -> str:
        groups = [self.groups[name] for name in names]
        for group in groups:
            for element in group.iter():
                element.attrib.pop("id", None)  # of one file; the page has many
        body = "".join(ElementTree.tostring(group, encoding="unicode") for group in groups)
        view = f"{box.x0:.2f} {box.y0:.2f} {box.width:.2f} {box.height:.2f}"
        return (
            f'<svg viewBox="{view}" {size_style(box, part)} role="img" aria-label="{escape(part.alt)}">\n{body}\n</svg>'
        )


def raster_part(pixels: np.ndarray, box: Bbox, part: Part) -> str:
    scale = style.PNG_DPI / POINTS_PER_INCH
    left, top, right, bottom = (int(round(edge * scale)) for edge in (box.x0, box.y0, box.x1, box.y1))
    png = io.BytesIO()
    Image.fromarray(pixels[top:bottom, left:right]).save(png, format="png", compress_level=PNG_LEVEL)
    data = base64.b64encode(png.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}" {size_style(box, part)} alt="{escape(part.alt)}">'


def size_style(box: Bbox, part: Part) -> str:
    return f'style="max-width:{natural_width(box) * (1 if part.is_scale else GROWTH):.0f}px"'


def natural_width(box: Bbox) -> float:
    """CSS pixels at which the text has its true size."""
    return box.width * PIXELS_PER_INCH / POINTS_PER_INCH
