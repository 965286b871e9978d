# SPDX-License-Identifier: Apache-2.0
"""Files in directories that somebody else may have filled: links are not followed for writing, only new files are written
and then renamed, and opening a FIFO never waits. Every script opens what it writes here (tests/scripts/open_calls_test.py)."""

import contextlib
import errno
import io
import os
import re
import stat
import zipfile
from pathlib import Path
from typing import BinaryIO, Dict, Iterator, List, Optional, Tuple, Union

RUN_ID = re.compile("[0-9a-f]{10}")
PACKED = "packed"  # of a sweep: bundles of its finished runs (metrics/files/packed_runs.h)
BUNDLE_COMMENT = b"precipice bundle 1,"  # metrics/files/bundle.h
Stamp = Tuple[int, int, int, int]
_bundles: Dict[Path, Tuple[Stamp, zipfile.ZipFile]] = {}


def _bundle(path: Path) -> zipfile.ZipFile:
    status = os.stat(path)
    stamp = (os.getpid(), status.st_ino, status.st_size, status.st_mtime_ns)  # a fork shares the position in the file
    known = _bundles.get(path)
    if known is None or known[0] != stamp:
        regular(path)
        try:
            bundle = zipfile.ZipFile(path)
        except zipfile.BadZipFile:
            raise OSError(errno.EINVAL, "the bundle is damaged or cut short; precipice status says what is whole", str(path))
        if not bundle.comment.startswith(BUNDLE_COMMENT):
            raise OSError(errno.EINVAL, "no bundle of runs, or one of another version", str(path))
        _bundles[path] = known = (stamp, bundle)
    return known[1]


def _packed(path: Path) -> Optional[Tuple[zipfile.ZipFile, str]]:
    """The bundle and the entry of SWEEP/<id>/FILE where SWEEP/<id> is packed; None where it is not, or has no such file."""
    parts: List[str] = []
    for folder in (path, *path.parents):
        parts.insert(0, folder.name)
        if not RUN_ID.fullmatch(folder.name):
            continue
        bundles = folder.parent / PACKED
        if not bundles.is_dir() or (folder / "config.toml").exists():
            return None
        for name in sorted(entry for entry in os.listdir(bundles) if entry.endswith(".zip") and not entry.startswith(".")):
            bundle = _bundle(bundles / name)
            if f"SHA256SUMS/{parts[0]}" in bundle.NameToInfo:
                entry = "/".join(parts)
                return (bundle, entry) if len(parts) == 1 or entry in bundle.NameToInfo else None
        return None
    return None


def is_there(path: Path) -> bool:
    """Whether `regular` and `open_regular` find something: a file, or that of a packed run."""
    return path.exists() or _packed(path) is not None


def size_of(path: Path) -> int:
    """In bytes. Raises OSError."""
    packed = None if path.exists() else _packed(path)
    return packed[0].getinfo(packed[1]).file_size if packed else path.stat().st_size


def _read_packed(path: Path) -> Optional[BinaryIO]:
    packed = _packed(path)
    if packed is None:
        return None
    try:
        return io.BytesIO(packed[0].read(packed[1]))
    except zipfile.BadZipFile as error:
        raise OSError(errno.EINVAL, str(error), str(packed[0].filename))


def regular(path: Path) -> Union[Path, BinaryIO]:
    """What a library may open that would wait for a FIFO: the path itself, if it leads to a regular file, or the bytes of
    a file of a packed run."""
    if not path.exists():
        packed = _read_packed(path)
        if packed is not None:
            return packed
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path


def open_regular(path: Path) -> BinaryIO:
    """For reading."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        packed = _read_packed(path)
        if packed is None:
            raise
        return packed
    file = os.fdopen(descriptor, "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "not a regular file", str(path))


class Folder:
    """A directory held by its descriptor, so that everything lands in this very directory."""

    def __init__(self, path: Path, descriptor: int = -1) -> None:
        self.path = path
        self._descriptor = descriptor if descriptor >= 0 else os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    @classmethod
    def make(cls, path: Path) -> "Folder":
        """Made with its parents where it is missing. The user named it: it may be reached through links."""
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *ignored: object) -> None:
        os.close(self._descriptor)

    def folder(self, name: str) -> "Folder":
        """A directory inside this one, made where it is missing. A link in its place is an OSError."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=self._descriptor)
        try:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._descriptor)
        except OSError as error:
            raise OSError(error.errno, "a link or a file where a directory is needed; remove it", str(self.path / name))
        return Folder(self.path / name, inner)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """A file to be written; under its name once the block has ended without an exception."""
        temporary = f".{name}.{os.getpid()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=self._descriptor)
        try:
            with os.fdopen(os.open(temporary, flags, 0o666, dir_fd=self._descriptor), "wb") as file:
                yield file
            os.replace(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=self._descriptor)
            raise

    def write(self, name: str, content: Union[bytes, str]) -> None:
        """Replaces whatever has the name: a reader sees the old file or the new one."""
        with self.create(name) as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)


def write_file(path: Path, content: Union[bytes, str]) -> None:
    with Folder(path.parent) as folder:
        folder.write(path.name, content)
