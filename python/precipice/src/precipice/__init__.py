# SPDX-License-Identifier: Apache-2.0
"""Runs of precipice in Python: loads, compares, draws, exports and starts them.

    import precipice
    sweep = precipice.load_sweep("runs/quickstart")
    sweep.runs                                   # a pandas frame, a row for each run
    sweep.cube()["train_loss"]                   # xarray: format x lr x seed x step
    precipice.figure(sweep, "final_loss")        # the report's U-curve, as a matplotlib figure

docs/PYTHON.md has the rest.
"""

from importlib import import_module
from typing import Any

# Where each name is defined: a module is imported when one of its names is asked for, so that `import precipice` is quick
# and a reader of files needs no matplotlib, an exporter no torch.
_WHERE = {
    "load_run": "precipice.runs.loading",
    "load_sweep": "precipice.runs.loading",
    "LoadedRun": "precipice.runs.loading",
    "LoadedSweep": "precipice.runs.loading",
    "compare": "precipice.runs.comparing",
    "Comparison": "precipice.runs.comparing",
    "figure": "precipice.report.api",
    "figures": "precipice.report.api",
    "write_report": "precipice.report.api",
    "to_tensorboard": "precipice.export.tensorboard",
    "to_csv": "precipice.export.files",
    "to_parquet": "precipice.export.files",
    "to_wandb": "precipice.export.trackers",
    "to_mlflow": "precipice.export.trackers",
    "to_trackio": "precipice.export.trackers",
    "to_torch": "precipice.weights.torch_weights",
    "load_weights": "precipice.weights.weights",
    "save_pretrained": "precipice.weights.pretrained",
    "run": "precipice.driving.start",
    "sweep": "precipice.driving.start",
    "find_program": "precipice.program",
    "ask": "precipice.program",
    "ask_json": "precipice.program",
    "ProgramError": "precipice.program",
    "ReportError": "precipice.runs.run_files",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name in ("report", "runs", "export", "weights", "driving"):
        return import_module(f"precipice.{name}")
    raise AttributeError(f"module precipice has no {name}; it has {', '.join(__all__)}")


def __dir__() -> list:
    return sorted([*globals(), *__all__])
