# SPDX-License-Identifier: Apache-2.0
"""Where a run's file is. Whoever reads one asks here, so that another place for it is one change."""

import contextlib
from pathlib import Path
from typing import Iterator

import h5py

from precipice.safe_files import regular


def run_file(directory: Path) -> Path:
    """The file with the series of the run in this directory; it need not be there."""
    return directory / "run.h5"


def is_there(path: Path) -> bool:
    """Whether a file of a run can be read."""
    return path.exists()


def size_of(path: Path) -> int:
    """Of a file of a run, in bytes. Raises OSError."""
    return path.stat().st_size


@contextlib.contextmanager
def open_run_file(directory: Path) -> Iterator[h5py.Group]:
    """What is at the root of run.h5: its groups and attributes. Raises OSError where it cannot be read."""
    with h5py.File(regular(run_file(directory)), "r", locking=False) as file:
        yield file
