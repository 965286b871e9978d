# SPDX-License-Identifier: Apache-2.0
"""Where the program precipice is, and how it is asked: PRECIPICE in the environment names it, else the release build of the
source tree that this package lies in, else `precipice` in PATH."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Sequence

TREE = Path(__file__).resolve().parents[4]  # the source tree, unless the package was installed elsewhere
PROGRAM = TREE / "build/release/precipice"


class ProgramError(Exception):
    """The program is missing, or has refused: its own words, and its exit code (`precipice --help` lists them)."""

    def __init__(self, message: str, exit_code: int = 2):
        super().__init__(message.removeprefix("precipice: error: "))
        self.exit_code = exit_code


def is_program(path: Path) -> bool:
    return os.access(path, os.X_OK) and not path.is_dir()


def program_path() -> Path:
    """Where the program should be: it need not be there."""
    named = os.environ.get("PRECIPICE")
    if named:
        return Path(named)
    if is_program(PROGRAM):
        return PROGRAM
    found = shutil.which("precipice")
    return Path(found) if found else PROGRAM


def find_program() -> Path:
    """Raises ProgramError where there is none."""
    path = program_path()
    if not is_program(path):
        raise ProgramError(f"no program at {path}: build it (scripts/build precipice), put it in PATH, or name it in PRECIPICE")
    return path


def path_argument(path: Path) -> str:
    """The path as a word that the program does not take for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def ask(words: Sequence[Any], given: bytes = b"") -> bytes:
    """What the program prints; `given` is its standard input. Raises ProgramError with its message where it refuses."""
    command = [str(find_program()), *map(str, words)]
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", errors="replace").strip()
        raise ProgramError(said or f"{' '.join(command)} ended with {done.returncode}", done.returncode)
    return done.stdout


def ask_json(words: Sequence[Any]) -> Any:
    """What the program prints, read as JSON: ask_json(["formats", "--json", "e4m3"])."""
    return json.loads(ask(words))
