# SPDX-License-Identifier: Apache-2.0
"""One line that says how far runs are: rewritten on a terminal, an output that changes in a notebook, nothing elsewhere."""

import sys
import time
from collections import Counter
from typing import Any, Dict, List, Optional

from precipice.html_text import clean

FINISHED = ("done", "diverged", "untrained", "skipped", "failed")
COLUMNS = 100


def in_notebook() -> bool:
    return "ipykernel" in sys.modules


class Line:
    """Use as a context: the line is gone from a terminal afterwards, and stays with its last words in a notebook."""

    def __init__(self, show: bool = True):
        self.handle: Any = None
        self.on_terminal = show and not in_notebook() and sys.stderr.isatty()
        if show and in_notebook():
            from IPython.display import display

            self.handle = display({"text/plain": "starting"}, raw=True, display_id=True)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *error: Any) -> None:
        if self.on_terminal:
            self.write("\r\x1b[K")

    def say(self, text: str) -> None:
        words = " ".join(clean(text).split())
        if self.handle is not None:
            self.handle.update({"text/plain": words}, raw=True)
        elif self.on_terminal:
            self.write(f"\r\x1b[K{words[:COLUMNS]}")

    def write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            self.on_terminal = False  # the terminal is gone; the runs go on


def progress_text(status: Dict[str, Any], started: Optional[float] = None) -> str:
    """Of the JSON of `precipice status`: of one run its step, of several how many are where. `started`: time.monotonic() at
    which the program was, for the time that is left."""
    runs: List[Dict[str, Any]] = status.get("runs", [])
    if len(runs) == 1:
        return run_text(runs[0])
    states = Counter(str(run.get("state")) for run in runs)
    ended = sum(states[state] for state in FINISHED)
    parts = [f"{ended} of {len(runs)} runs"]
    counts = [f"{states[state]} {state}" for state in (*FINISHED, "running") if states[state]]
    parts += [", ".join(counts)] if counts else []
    share = steps_share(runs)
    if share > 0:
        parts.append(f"{100 * share:.0f} % of the steps")
    if started is not None and 0 < share < 1:
        parts.append(f"about {duration((time.monotonic() - started) * (1 - share) / share)} left")
    return "; ".join(parts)


def run_text(run: Dict[str, Any]) -> str:
    parts = [f"step {run.get('step', 0)} of {run.get('steps', 0)}"]
    if isinstance(run.get("loss"), (int, float)):
        parts.append(f"loss {run['loss']:.4f}")
    rate = run.get("steps_per_second")
    if isinstance(rate, (int, float)) and rate > 0:
        parts.append(f"{rate:.3g} steps/s")
        left = max(int(run.get("steps") or 0) - int(run.get("step") or 0), 0)
        if run.get("state") == "running" and left:
            parts.append(f"about {duration(left / rate)} left")
    return "; ".join([str(run.get("state", "")), *parts])


def steps_share(runs: List[Dict[str, Any]]) -> float:
    """Of all steps; a run that ended early has none left."""
    whole = sum(int(run.get("steps") or 0) for run in runs)
    done = sum(int(run.get("steps" if run.get("state") in FINISHED else "step") or 0) for run in runs)
    return done / whole if whole else 0.0


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
