# SPDX-License-Identifier: Apache-2.0
"""Spikes of every run: a row for each seed of each format, a stroke at each step at which an episode of the rule `jump` begins,
as `precipice label` found them, and the steps for which windowed rules are blind shaded."""

from typing import Dict, List, Optional, Tuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from precipice.report.analysis import Analysis
from precipice.report.describe import listed
from precipice.report.grouping import Sweep
from precipice.report.figures.style import INK, Part, Picture, legend_above, panels, row_names, CROSS

RULE, WINDOWED = "jump", "olmo-core"
BLIND_STEPS = 128  # of the windowed rules (docs/METRICS.md, "Labels")
ROW = 0.045  # inches of a seed
FEWEST_EPISODES = 3
MOST_SEEDS = 60


def raster_figure(sweep: Sweep, analysis: Analysis) -> Optional[Tuple[Figure, Picture]]:
    """At the shown rate."""
    episodes: Dict[str, List[int]] = {}
    for label in analysis.labels.get("labels", []):
        if label["rule"] == RULE and "episodes" in label:
            episodes[label["run"]] = label["episodes"]
    cells = [cell for cell in sweep.ordered_cells() if cell.learning_rate == sweep.shown_rate]
    shown = {cell.label: [run for run in cell.runs if run.id in episodes][:MOST_SEEDS] for cell in cells}
    total = sum(len(episodes[run.id]) for runs in shown.values() for run in runs)
    if total < FEWEST_EPISODES:
        return None
    rows = sum(max(len(runs), 4) + 2 for runs in shown.values())
    figure, (axes,) = panels(1, 1, width=6.0, height=1.0 + max(ROW * rows, 0.35 * len(shown)))
    ticks, said, last, top = [], [], 0, 0
    for label, runs in shown.items():
        colour = sweep.styles[label][0]
        count = 0
        for number, run in enumerate(sorted(runs, key=lambda run: (str(type(run.seed)), run.seed))):
            steps = episodes[run.id]
            count += len(steps)
            axes.plot(steps, [top + number] * len(steps), "|", color=colour, markersize=5, markeredgewidth=1.5, zorder=3)
            if run.diverged and run.divergence_step >= 0:
                axes.plot([run.divergence_step], [top + number], color=colour, zorder=4, **{**CROSS, "markersize": 4})
            last = max(last, run.steps_done)
        ticks.append(top + (max(len(runs), 1) - 1) / 2)
        said.append(f"{sweep.name(label)} {count} in {len(runs)} runs")
        top += max(len(runs), 4) + 2
        axes.axhline(top - 1.5, color="#dddddd", linewidth=0.7, zorder=1)
    axes.set_yticks(ticks, row_names([sweep.name(label) for label in shown], [len(runs) for runs in shown.values()]))
    axes.set_ylim(top - 1.5, -1.5)
    axes.set_xlim(-0.01 * last, last * 1.01)
    axes.axvspan(0, min(BLIND_STEPS, last), color="#f0f0f0", zorder=0, linewidth=0)
    axes.grid(False, axis="y")
    axes.set_xlabel("step")
    handles = [
        Line2D([], [], color=INK, marker="|", linestyle="none", markersize=8, label="a jump of the loss"),
        Patch(facecolor="#e4e4e4", label=f"windowed rules judge no step before {BLIND_STEPS}"),
    ]
    legend_above(figure, handles)
    caption = (
        f"At learning rate {sweep.rate_name(sweep.shown_rate)}, {sweep.why_shown}. A row of strokes for each seed, the lowest seed on top; n: "
        "runs. A jump: the loss is above the mean of the 5 before it by more than max(0.5 nat, 10 %); within 5 steps it is the "
        "same one. Whether formats differ in their rates is for a test (`rate-ratio` of claims)."
    )
    title = f"Jumps of the loss by seed at learning rate {sweep.rate_name(sweep.shown_rate)}"
    return figure, Picture("raster", title, caption, [Part(f"Jumps: {listed(said, 16)}.", [axes])], handles)
