# SPDX-License-Identifier: Apache-2.0
"""Which runs belong together: a format is what differs between runs other than the learning rate and the seeds."""

import math
from typing import Any, Dict, List, Optional, Sequence, Tuple

from report_lib.run_files import Run
from report_lib.statistics import Cell

RECIPE = "precision.recipe"
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
LINE_STYLES = ("-", "--", ":", "-.")
USUAL_ORDER = ("fp32", "tf32", "bf16", "fp8", "fp8-all")
BASELINES = ("bf16", "fp32", "tf32")


class Sweep:
    """The runs by format and learning rate; formats in a fixed order, each with one colour and line throughout."""

    def __init__(self, runs: Sequence[Run]):
        self.runs = list(runs)
        self.varying = varying_keys(self.runs)
        cells: Dict[Tuple[str, float], Cell] = {}
        for run in self.runs:
            rate = run.learning_rate
            if rate is None:
                continue
            label = format_label(run.config, self.varying)
            cells.setdefault((label, rate), Cell(label, rate, [])).runs.append(run)
        self.cells = cells
        self.labels = sorted({label for label, _ in cells}, key=format_order)
        self.rates = sorted({rate for _, rate in cells})
        self.styles = assign_styles(self.labels)

    @property
    def entropy_floors(self) -> List[float]:
        return sorted({round(run.entropy_floor, 6) for run in self.runs if math.isfinite(run.entropy_floor)})

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
        if key not in ("optimizer.lr", "seed")
        and not key.endswith(".seed")
        and len({repr(config.get(key)) for config in configs}) > 1
    ]


def format_label(config: Dict[str, Any], varying: Sequence[str]) -> str:
    parts = []
    if RECIPE in varying or not varying:
        parts.append(str(config.get(RECIPE, "?")))
    short_names = [key.rsplit(".", 1)[-1] for key in varying]
    for key, short in zip(varying, short_names):
        value = config.get(key, "")
        if key != RECIPE and value != "":  # "" keeps the recipe's choice
            parts.append(f"{short if short_names.count(short) == 1 else key}={value_text(value)}")
    return ", ".join(parts) or "as the recipe says"


def value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + " ".join(value_text(part) for part in value) + "]"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else "…" + text[-23:]


def format_order(label: str) -> Tuple[int, float, str]:
    name = label.split(",", 1)[0]
    if name in USUAL_ORDER:
        return USUAL_ORDER.index(name), 0, label
    if name.startswith("e8m") and name[3:].isdigit():
        return len(USUAL_ORDER), -int(name[3:]), label  # from fine to coarse
    return len(USUAL_ORDER) + 1, 0, label


def assign_styles(labels: Sequence[str]) -> Dict[str, Tuple[str, str]]:
    """Colour and line style. The usual recipes keep their colours in every report; others take what is free."""
    styles = {label: (USUAL_COLOURS[label], "-") for label in labels if label in USUAL_COLOURS}
    free = [(colour, line) for line in LINE_STYLES for colour in PALETTE if (colour, line) not in styles.values()]
    for position, label in enumerate(label for label in labels if label not in styles):
        styles[label] = free[position % len(free)]
    return styles
