# SPDX-License-Identifier: Apache-2.0
"""The legend of a figure as a list of the page, which wraps where a picture of it would be cut."""

from typing import Sequence

from matplotlib.artist import Artist
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from precipice.html_text import escape

WIDTH, HEIGHT = 28, 14
DASHES = {"--": "6 3", ":": "1.5 2.5", "-.": "6 2.5 1.5 2.5"}
OUTLINES = {  # of markers around 0 0
    "s": "M-3.5 -3.5h7v7h-7z",
    "D": "M0 -4.5L4.5 0L0 4.5L-4.5 0z",
    "v": "M-4.5 -3.5H4.5L0 4.5z",
    "^": "M-4.5 3.5H4.5L0 -4.5z",
    "x": "M-4 -4L4 4M-4 4L4 -4",
    "|": "M0 -6V6",
}


def legend_html(handles: Sequence[Artist]) -> str:
    if not handles:
        return ""
    items = "\n".join(
        f'<li><svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{swatch(handle)}'
        f"</svg><span>{escape(handle.get_label())}</span></li>"
        for handle in handles
    )
    return f'<ul class="legend">\n{items}\n</ul>'


def swatch(handle: Artist) -> str:
    if isinstance(handle, Patch):
        return patch_swatch(handle)
    return line_swatch(handle) if isinstance(handle, Line2D) else ""


def patch_swatch(patch: Patch) -> str:
    face, edge = to_hex(patch.get_facecolor()), to_hex(patch.get_edgecolor())
    alpha = patch.get_alpha() if patch.get_alpha() is not None else 1
    box = f'<rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" fill="{face}" fill-opacity="{alpha:g}"/>'
    if not patch.get_hatch():
        return box
    strokes = "".join(f"M{x} 13L{x + 12} 1" for x in range(1, WIDTH - 12, 5))
    if "\\" in patch.get_hatch():
        strokes += "".join(f"M{x} 1L{x + 12} 13" for x in range(1, WIDTH - 12, 5))
    return f'{box}<path d="{strokes}" fill="none" stroke="{edge}"/>'


def line_swatch(line: Line2D) -> str:
    colour, style, marker = to_hex(line.get_color()), line.get_linestyle(), line.get_marker()
    middle, parts = HEIGHT / 2, ""
    if style not in ("None", "none", "", " "):
        drawn = f' stroke-dasharray="{DASHES[style]}"' if style in DASHES else ""
        parts += (
            f'<path d="M1 {middle:g}H{WIDTH - 1}" fill="none" stroke="{colour}" stroke-width="{line.get_linewidth():g}"'
            f"{drawn}/>"
        )
    return parts + marker_swatch(line, marker, colour)


def marker_swatch(line: Line2D, marker: object, colour: str) -> str:
    hollow = str(line.get_markerfacecolor()).lower() == "none"
    fill = "none" if hollow or marker in ("x", "|") else colour
    place = f'transform="translate({WIDTH / 2:g} {HEIGHT / 2:g})" fill="{fill}" stroke="{colour}" stroke-width="1.5"'
    if marker == "o":
        return f'<circle r="3.5" {place}/>'
    if marker == ".":
        return f'<circle r="2" {place}/>'
    return f'<path d="{OUTLINES[marker]}" {place}/>' if marker in OUTLINES else ""
