# SPDX-License-Identifier: Apache-2.0
"""Colours for families of formats that differ in a number of bits: e8m0 to e8m7, or accumulators of 10 to 14 bits. One ramp
of rising lightness from many bits to few, so that the order shows without a legend; families that differ in something else,
such as the rounding, share the ramp and have lines of their own."""

import re
from typing import Dict, List, Sequence, Tuple

from matplotlib import colormaps
from matplotlib.colors import to_hex

FEWEST = 3  # formats of a family
RAMP, FIRST, LAST = "inferno", 0.18, 0.80  # neither black, which is a format of its own, nor too pale for a line
# (what stands before the bits, the bits, what stands behind)
PATTERNS = (
    re.compile(r"((?:^|.*\W)e\d+m)(\d+)(.*)"),
    re.compile(r"((?:^|.*\W)e)(\d+)(m\d+.*)"),
    re.compile(r"(.*\bbits=)(\d+)(.*)"),
)


def families(labels: Sequence[str]) -> List[Tuple[str, List[str], Dict[str, int]]]:
    """(what all of a ramp begin with, the endings in their order, the bits of each label); each label in one at most."""
    found, taken = [], set()
    for pattern in PATTERNS:
        groups: Dict[str, Dict[str, Tuple[str, int]]] = {}
        for label in labels:
            match = pattern.fullmatch(label)
            if match and label not in taken:
                groups.setdefault(match.group(1), {})[label] = (match.group(3), int(match.group(2)))
        for head, members in groups.items():
            endings = [ending for ending, _ in members.values()]
            most = max(endings.count(ending) for ending in endings)
            if most >= FEWEST and len({bits for _, bits in members.values()}) >= FEWEST:
                taken.update(members)
                found.append((head, list(dict.fromkeys(endings)), {label: bits for label, (_, bits) in members.items()}))
    return found


def ramp_styles(labels: Sequence[str], lines: Sequence[str]) -> Dict[str, Tuple[str, str]]:
    styles: Dict[str, Tuple[str, str]] = {}
    used: set = set()
    for _, endings, bits in families(labels):
        order = sorted(set(bits.values()), reverse=True)
        for label, own in bits.items():
            ending = next(each for each in sorted(endings, key=len, reverse=True) if label.endswith(each))
            place = FIRST + (LAST - FIRST) * order.index(own) / max(len(order) - 1, 1)
            style = (to_hex(colormaps[RAMP](place)), lines[endings.index(ending) % len(lines)])
            if style in used:  # a second ramp, or more endings than lines: the free colours are for it
                continue
            used.add(style)
            styles[label] = style
    return styles
