# SPDX-License-Identifier: Apache-2.0
"""The report: figures and one HTML page from the files of sweeps and runs. The functions of api.py are here by name:
precipice.report.final_loss(DIR), read(DIR), ..."""

from importlib import import_module
from typing import Any

from precipice.report.descriptions import DESCRIPTIONS

_FUNCTIONS = {"read", "figure", "write_report", *DESCRIPTIONS}


def __getattr__(name: str) -> Any:
    """They import matplotlib when they are asked for."""
    if name in _FUNCTIONS:
        return getattr(import_module("precipice.report.api"), name)
    raise AttributeError(f"precipice.report has no {name}; it has {', '.join(sorted(_FUNCTIONS))}")
