# SPDX-License-Identifier: Apache-2.0
"""Statistics, labels and warnings of a sweep: the JSON of `precipice merge`, `label` and `warn`. Numbers are computed there,
once; the report draws them. Where the program is missing or refuses, the page says so instead."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List

PROGRAM = Path(__file__).resolve().parents[2] / "build/release/precipice"
TIME_LIMIT = 600  # seconds per command
COMMANDS = {
    "statistics": ("merge", "--no-index", "--json"),
    "labels": ("label", "--rule", "all", "--json"),
    "warnings": ("warn", "--json"),
}


@dataclass
class Analysis:
    statistics: Dict[str, Any] = field(default_factory=dict)
    labels: Dict[str, Any] = field(default_factory=dict)
    warnings: Dict[str, Any] = field(default_factory=dict)
    problems: List[str] = field(default_factory=list)


def analyse(directory: Path) -> Analysis:
    """The program is PRECIPICE in the environment, or that of the release build."""
    program = os.environ.get("PRECIPICE", str(PROGRAM))
    analysis = Analysis()
    if not os.access(program, os.X_OK) or os.path.isdir(program):
        analysis.problems.append(f"no program at {program}: build it, or name it in PRECIPICE")
        return analysis
    for name, (command, *options) in COMMANDS.items():
        try:
            setattr(analysis, name, answer(program, [command, path_argument(directory), *options]))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            analysis.problems.append(f"precipice {command}: {' '.join(str(error).split())[:300]}")
    return analysis


def path_argument(path: Path) -> str:
    """The path as a word that the program does not take for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def answer(program: str, arguments: List[str]) -> Dict[str, Any]:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip() or f"ended with {done.returncode}")
    return json.loads(done.stdout)
