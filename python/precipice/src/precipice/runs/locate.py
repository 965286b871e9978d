# SPDX-License-Identifier: Apache-2.0
"""Where a run's file is: in the run's directory, or in a bundle of its sweep (safe_files). Whoever reads one asks here, so
that another place for it is one change."""

import contextlib
from pathlib import Path
from typing import Iterator

import h5py

from precipice.safe_files import is_there, regular, size_of

__all__ = ["is_there", "open_run_file", "run_file", "size_of"]


def run_file(directory: Path) -> Path:
    """The file with the series of the run in this directory; it need not be there."""
    return directory / "run.h5"


@contextlib.contextmanager
def open_run_file(directory: Path) -> Iterator[h5py.Group]:
    """What is at the root of run.h5: its groups and attributes. Raises OSError where it cannot be read."""
    with h5py.File(regular(run_file(directory)), "r", locking=False) as file:
        yield file
