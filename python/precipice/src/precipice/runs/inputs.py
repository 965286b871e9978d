# SPDX-License-Identifier: Apache-2.0
"""The files that runs were trained on, by the SHA-256 that each run recorded (train/run/run_inputs.h): runs of one config on
different files are never drawn or counted together."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, Sequence, Set

from precipice.safe_files import open_regular

ATTRIBUTES = {"data.path": "data_sha256", "init.from": "init_sha256"}  # in run.h5, by config key
SHOWN_DIGITS = 8
MAX_BYTES = 1 << 20


def recorded_inputs(directory: Path, config: Dict[str, Any], attributes: Dict[str, Any]) -> Dict[str, str]:
    """Config key to SHA-256, of the files that the config names; from inputs.json, or from an older run's run.h5."""
    found = {key: str(attributes[name]) for key, name in ATTRIBUTES.items() if config.get(key) and name in attributes}
    try:
        with open_regular(directory / "inputs.json") as file:
            entries = json.loads(file.read(MAX_BYTES))["inputs"]
        found.update({str(entry["key"]): str(entry["sha256"]) for entry in entries})
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return found


def split_by_inputs(runs: Sequence[Any]) -> str:
    """Where runs that differ in nothing but seeds read different files, the hash joins their configs as one more key, so
    that they differ in it. Returns a sentence that says so, or ""."""
    sentences = []
    for key in ATTRIBUTES:
        cells: Dict[str, Set[str]] = defaultdict(set)
        hashes = [run.inputs.get(key, "unknown")[:SHOWN_DIGITS] for run in runs]
        for run, digits in zip(runs, hashes):
            if run.config and not run.problem:
                cells[repr({k: v for k, v in run.config.items() if k != "seed" and not k.endswith(".seed")})].add(digits)
        if all(len(found) < 2 for found in cells.values()):
            continue
        for run, digits in zip(runs, hashes):
            run.config = {**run.config, key.split(".")[0] + ".sha256": digits}
        found = ", ".join(sorted(set().union(*cells.values())))
        sentences.append(
            f"Runs that differ in nothing but seeds were trained on different files ({key}, SHA-256 {found}): "
            "they are in different cells."
        )
    return " ".join(sentences)
