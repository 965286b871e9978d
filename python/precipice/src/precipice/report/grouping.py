# SPDX-License-Identifier: Apache-2.0
"""Which runs belong together: a format is what differs between runs other than the learning rate and the seeds."""

import copy
import math
import re
from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Tuple

from precipice.runs.inputs import split_by_inputs
from precipice.report.names import Labels, Part, full_name, label_of, shown_names, value_text
from precipice.runs.run_files import Run
from precipice.report.ramps import ramp_styles
from precipice.report.statistics import Cell

RECIPE = "precision.recipe"
RATE = "optimizer.lr"
# Okabe and Ito's colours without the yellow, which is too pale for lines on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
USUAL_COLOURS = {
    "bf16": "#0072B2",
    "fp8": "#D55E00",
    "e8m3": "#009E73",
    "fp8-all": "#CC79A7",
    "e8m5": "#E69F00",
    "tf32": "#56B4E9",
    "fp32": "#000000",
}
MAX_FORMATS = 6  # in one panel; more would hide each other
LINE_STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "D", "v")  # one for each line style
USUAL_ORDER = ("fp32", "tf32", "bf16", "fp8", "fp8-all")
BASELINES = ("bf16", "fp32", "tf32")


class Sweep:
    """The runs by format and learning rate; formats in a fixed order, each with one colour and line throughout."""

    def __init__(self, runs: Sequence[Run], user_labels: Optional[Labels] = None):
        self.runs = list(runs)
        self.user_labels = user_labels or {}
        self.split = split_by_inputs(self.runs)
        self.varying = varying_keys(self.runs)
        self.parts: Dict[str, List[Part]] = {}  # by label: what makes the format
        cells: Dict[Tuple[str, float], Cell] = {}
        for run in self.runs:
            rate = run.learning_rate
            if rate is None:
                continue
            parts = format_parts(run.config, self.varying)
            label = full_name(parts, RECIPE, self.varying)
            self.parts[label] = parts
            cells.setdefault((label, rate), Cell(label, rate, [])).runs.append(run)
        self.cells = cells
        self.labels = sorted({label for label, _ in cells}, key=format_order)
        self.rates = sorted({rate for _, rate in cells})
        # Three digits, or as many as tell the rates apart.
        self.rate_digits = next(
            (n for n in range(3, 17) if len({rate_text(rate, n) for rate in self.rates}) == len(self.rates)), 17
        )
        self.styles = assign_styles(self.labels)
        self.names = shown_names({label: self.parts[label] for label in self.labels}, RECIPE, self.user_labels)
        self.by_settings = {settings_of(label): label for label in self.labels}
        self.by_settings.update({settings_of(self.program_name(label)): label for label in self.labels})
        self.shown: Optional[float] = None  # the rate of figures of one rate; None: the best one
        self.why_shown = f"at which {self.name(self.baseline)} ends lowest"
        self.reasons: Dict[float, str] = {}  # why a rate is shown

    def name(self, label: str) -> str:
        """What figures and tables call a format; a name that is no format here stays as it is."""
        return self.names.get(label, label)

    def program_name(self, label: str) -> str:
        """As the program writes it, with the user's labels."""
        words = []
        for key, value in self.parts[label]:
            text = label_of(self.user_labels, key, value) or value_text(value)
            words.append(text if key == RECIPE else f"{key.rsplit('.', 1)[-1]}={text}")
        return ", ".join(words)

    def label_of_program(self, name: str) -> str:
        """The label of the format that the program calls `name`: it may order and write the settings differently."""
        shown = {self.names[label]: label for label in self.labels}
        return name if name in self.names else self.by_settings.get(settings_of(name), shown.get(name, name))

    def rate_name(self, rate: float) -> str:
        """The rate as one types it, behind the user's word for it."""
        label = label_of(self.user_labels, RATE, rate)
        text = rate_text(rate, self.rate_digits)
        return f"{label} ({text})" if label else text

    def marker(self, label: str) -> str:
        return MARKERS[LINE_STYLES.index(self.styles[label][1])]

    def is_single_cell(self) -> bool:
        """No comparison: a figure over formats and rates would have one point."""
        return len(self.cells) < 2

    @property
    def entropy_floors(self) -> List[float]:
        return sorted({round(run.entropy_floor, 6) for run in self.runs if math.isfinite(run.entropy_floor)})

    @property
    def unigram_floors(self) -> List[float]:
        """Only where a run did not end below: elsewhere the lines would stretch the axes for nothing."""
        if not any(run.state == "untrained" for run in self.runs):
            return []
        return sorted({round(run.unigram_floor, 6) for run in self.runs if math.isfinite(run.unigram_floor)})

    def cell(self, label: str, rate: float) -> Optional[Cell]:
        return self.cells.get((label, rate))

    def ordered_cells(self) -> List[Cell]:
        return [self.cells[label, rate] for label in self.labels for rate in self.rates if (label, rate) in self.cells]

    @property
    def baseline(self) -> str:
        for name in BASELINES:
            for label in self.labels:
                if label == name or label.startswith(name + ","):
                    return label
        return self.labels[0] if self.labels else ""

    @property
    def shown_rate(self) -> Optional[float]:
        return self.best_rate if self.shown is None else self.shown

    def at(self, rate: Optional[float]) -> "Sweep":
        """The same runs, whose figures of one rate are of this one."""
        other = copy.copy(self)
        if rate is not None:
            other.shown, other.why_shown = rate, self.why_of(rate)
        return other

    def why_of(self, rate: float) -> str:
        return self.reasons.get(rate, self.why_shown)

    def with_reference(self, labels: Sequence[str]) -> List[List[str]]:
        """Formats in groups that one panel can show, with the reference in each; all in one where they fit."""
        if len(labels) <= MAX_FORMATS:
            return [list(labels)]
        base = [label for label in labels if label == self.baseline]
        others = [label for label in labels if label != self.baseline]
        size = MAX_FORMATS - len(base)
        return [base + others[start : start + size] for start in range(0, len(others), size)]

    @property
    def best_rate(self) -> Optional[float]:
        """The learning rate at which the baseline format ends lowest; the lowest one if no run has ended."""
        cells = [self.cells[self.baseline, rate] for rate in self.rates if (self.baseline, rate) in self.cells]
        scored = [(cell.median_loss, cell.learning_rate) for cell in cells if cell.median_loss == cell.median_loss]
        if scored:
            return min(scored)[1]
        return cells[0].learning_rate if cells else None


def varying_keys(runs: Sequence[Run]) -> List[str]:
    configs = [run.config for run in runs if run.config]
    keys: Dict[str, None] = {}
    for config in configs:
        keys.update(dict.fromkeys(config))
    return [
        key
        for key in keys
        if key not in (RATE, "seed")
        and not key.endswith(".seed")
        and len({repr(config.get(key)) for config in configs}) > 1
    ]


def format_parts(config: Dict[str, Any], varying: Sequence[str]) -> List[Part]:
    """The recipe first, where it varies or nothing else does; "" keeps the recipe's choice and is no part."""
    parts: List[Part] = [(RECIPE, config.get(RECIPE, "?"))] if RECIPE in varying or not varying else []
    return parts + [(key, config[key]) for key in varying if key != RECIPE and config.get(key, "") != ""]


def settings_of(name: str) -> FrozenSet[Tuple[str, Any]]:
    """"fp8, weights=, steps=1e2" as {("", "fp8"), ("steps", 100.0)}: without order and settings that are empty."""
    settings = set()
    for word in name.split(", "):
        # A sign of equality within a recipe's options is no setting's.
        key, equals, value = word.partition("=") if re.match(r"[\w.]+=", word) else ("", "", word)
        if value:
            try:
                settings.add((key, float(value)))
            except ValueError:
                settings.add((key, value))
    return frozenset(settings)


def rate_text(rate: float, digits: int = 5) -> str:
    """3e-3, 1e-1, 1: as one types it."""
    mantissa, exponent = f"{rate:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return mantissa if int(exponent) == 0 else f"{mantissa}e{int(exponent)}"


def format_order(label: str) -> Tuple[int, float, str]:
    name = label.split(",", 1)[0]
    if name in USUAL_ORDER:
        return USUAL_ORDER.index(name), 0, label
    if name.startswith("e8m") and name[3:].isdigit():
        return len(USUAL_ORDER), -int(name[3:]), label  # from fine to coarse
    return len(USUAL_ORDER) + 1, 0, label


def assign_styles(labels: Sequence[str]) -> Dict[str, Tuple[str, str]]:
    """Colour and line style. Formats that differ in their bits have a ramp (ramps.py); of the others the usual recipes keep
    their colours in every report, and the rest take what is free."""
    styles = ramp_styles(labels, LINE_STYLES)
    styles.update({label: (USUAL_COLOURS[label], "-") for label in labels if label in USUAL_COLOURS and label not in styles})
    free = [(colour, line) for line in LINE_STYLES for colour in PALETTE if (colour, line) not in styles.values()]
    for position, label in enumerate(label for label in labels if label not in styles):
        styles[label] = free[position % len(free)]
    return styles
