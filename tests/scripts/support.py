# SPDX-License-Identifier: Apache-2.0
"""Lets the tests import the Python package and scripts/run_tests.py, and makes runs that exist only in memory."""

import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Sequence

import numpy as np

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent / "python/precipice/src")]

from precipice.program import PROGRAM  # noqa: E402
from precipice.runs.run_files import Run, SeriesGroup  # noqa: E402
from precipice.report.statistics import Cell  # noqa: E402


def load_script(name: str) -> Any:
    """A script of scripts/ that has no ending, as a module; nothing is left beside it."""
    loader = importlib.machinery.SourceFileLoader(name, str(SCRIPTS / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
    return module


class ProgramCase(unittest.TestCase):
    """Tests of the built program in a folder that they share; skipped where it is not built."""

    folder: Path

    @classmethod
    def setUpClass(cls) -> None:
        if not os.access(PROGRAM, os.X_OK):
            raise unittest.SkipTest(f"{PROGRAM} is not built")
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)


def draw_as_the_report_does() -> None:
    """For tests that call a figure's function themselves: the command does so within style.look()."""
    import matplotlib

    from precipice.report.figures.style import LOOK

    matplotlib.rcParams.update(LOOK)


def run(state: str, final: float = float("nan"), initial: float = 4.0, **config) -> Run:
    return Run(
        Path("nowhere"),
        id="x",
        state=state,
        config=config,
        divergence_step=5 if state == "diverged" else -1,
        metrics=SeriesGroup(np.array([0, 1]), {"train_loss": np.array([initial, 3.0])}),
        evals=SeriesGroup(np.array([0, 2]), {"validation_loss": np.array([initial, final])}),
    )


def cell(finals: Sequence[float], diverged: int, initial: float, states: Sequence[str] = ()) -> Cell:
    runs = [run("done", final, initial) for final in finals] + [
        run("diverged", initial=initial) for _ in range(diverged)
    ]
    return Cell("bf16", 1e-3, runs + [run(state, initial=initial) for state in states])
