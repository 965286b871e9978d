# SPDX-License-Identifier: Apache-2.0
"""The report: figures and one HTML page from the files of sweeps and runs. precipice.report.api lists the figures."""

from typing import Any


def __getattr__(name: str) -> Any:
    """The functions of api.py, which imports matplotlib, when they are asked for."""
    if name.startswith("_"):
        raise AttributeError(name)
    from precipice.report import api

    return getattr(api, name)
