# SPDX-License-Identifier: Apache-2.0
"""What an HDF5 file that anybody may have made holds: names reached through hard links only, and datasets that are read when
they claim no more than the file can hold. h5py's low-level calls, since a run has about 130 datasets and its mappings look each
of them up four times: 28 ms a run against 6."""

from pathlib import Path
from typing import Any, Dict, List, Optional

import h5py
import numpy as np
from h5py import h5a, h5d, h5l, h5o, h5s

from precipice.runs.locate import size_of

MAX_STEP = 10**12  # as experiments/cli/analysis.cpp
MAX_ATTRIBUTE_BYTES = 1 << 20
MAX_LINKS = 1 << 16  # in one file
# What is read of a file expands to at most this: a small file that claims to hold gigabytes is refused unread. Series of
# whole runs expand tenfold; constant ones, a thousandfold, are never all of a file.
EXPANSION_LIMIT, EXPANSION_FREE = 64, 1 << 24


class Budget:
    """How many bytes may still be read of a file, by its own size on disk; and how many rows a run's series have."""

    def __init__(self, path: Path, rows: Optional[int] = None):
        self.left = EXPANSION_FREE + EXPANSION_LIMIT * size_of(path)
        self.rows = rows  # None: unknown

    def take(self, dataset: h5py.Dataset) -> None:
        """Raises ValueError for a dataset that is larger than it can honestly be."""
        wanted = dataset.size * dataset.dtype.itemsize
        if wanted > self.left:
            raise ValueError(f"{dataset.name} would take {wanted} bytes, more than the file can hold")
        self.left -= wanted

    def check_rows(self, dataset: h5py.Dataset) -> None:
        if self.rows is not None and dataset.ndim and dataset.shape[0] > self.rows:
            raise ValueError(f"{dataset.name} has {dataset.shape[0]} rows, and the run has {self.rows - 1} steps")


def children(file: h5py.Group) -> Dict[str, List[str]]:
    """What hangs by hard links in the root and in the groups at the root: {"": ["config", "metrics"], "metrics": ["step"]}, in
    the order of the names. Raises ValueError for a file with more links than it can honestly have."""
    found: Dict[str, List[str]] = {"": []}
    seen = 0

    def keep(path: bytes, info: Any) -> Optional[bool]:
        nonlocal seen
        seen += 1
        folder, _, name = path.decode("utf-8", errors="surrogateescape").rpartition("/")
        if info.type == h5l.TYPE_HARD and "/" not in folder:
            found.setdefault(folder, []).append(name)
        return True if seen > MAX_LINKS else None  # anything but None ends the visit

    file.id.links.visit(keep, info=True)
    if seen > MAX_LINKS:
        raise ValueError(f"more than {MAX_LINKS} links")
    return found


def checked(folder: h5py.Group, name: str, budget: Budget) -> Optional[h5py.Dataset]:
    """A dataset stored in this file itself, of a size that the file can hold; None if there is none."""
    key = name.encode("utf-8", errors="surrogateescape")
    if not folder.id.links.exists(key) or folder.id.links.get_info(key).type != h5l.TYPE_HARD:
        return None
    return checked_child(folder, name, budget)


def checked_child(folder: h5py.Group, name: str, budget: Budget) -> Optional[h5py.Dataset]:
    """The same of a name that is known to be a hard link."""
    item = h5o.open(folder.id, name.encode("utf-8", errors="surrogateescape"))
    if not isinstance(item, h5d.DatasetID):
        return None
    dataset = h5py.Dataset(item, readonly=True)
    if dataset.external or dataset.is_virtual or dataset.size is None:
        raise ValueError(f"{dataset.name} is not a plain dataset")
    budget.take(dataset)
    return dataset


def read_numbers(dataset: h5py.Dataset) -> np.ndarray:
    """As float64, whatever numbers it holds."""
    values = np.empty(dataset.shape, dtype=np.float64)
    if values.size:
        dataset.id.read(h5s.ALL, h5s.ALL, values)
    return values


def rising_steps(dataset: h5py.Dataset) -> np.ndarray:
    if dataset.ndim != 1 or dataset.dtype.kind not in "iu":
        raise ValueError(f"{dataset.name} is no row of whole numbers")
    steps = dataset[()]
    if len(steps) and not (0 <= int(steps[0]) and int(steps.max()) <= MAX_STEP and (steps[1:] > steps[:-1]).all()):
        raise ValueError(f"{dataset.name} does not rise")
    return steps.astype(np.int64)


def plain_attributes(file: h5py.Group) -> Dict[str, Any]:
    """Those of the root that are one text or one number. Raises ValueError for one that is too large to be that."""
    found: Dict[str, Any] = {}
    names: List[bytes] = []
    h5a.iterate(file.id, names.append)
    for key in names:
        name, attribute = key.decode("utf-8", errors="replace"), h5a.open(file.id, key)
        if attribute.get_space().get_simple_extent_type() == h5s.NULL:
            continue
        if attribute.get_storage_size() > MAX_ATTRIBUTE_BYTES:
            raise ValueError(f"attribute {name} is larger than {MAX_ATTRIBUTE_BYTES} bytes")
        if attribute.shape != ():
            continue
        held = np.empty((), dtype=attribute.dtype)
        attribute.read(held)
        value = as_plain(held[()])
        if isinstance(value, (str, int, float)):
            found[name] = value
    return found


def as_plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value.item() if isinstance(value, np.generic) else value
