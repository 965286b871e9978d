# SPDX-License-Identifier: Apache-2.0
"""Files in directories that somebody else may have filled: links are not followed for writing, only new files are written
and then renamed, and opening a FIFO never waits. Every script opens what it writes here (tests/scripts/open_calls_test.py)."""

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Iterator, Union


def regular(path: Path) -> Path:
    """The path itself, if it leads to a regular file: for libraries that open by name and would wait for a FIFO."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path


def open_regular(path: Path) -> BinaryIO:
    """For reading."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
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
