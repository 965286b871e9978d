# SPDX-License-Identifier: Apache-2.0
"""Final validation loss of each recipe, and its difference to bf16 on the same seeds with a 95% interval (Student's t on
the paired differences). A run that diverged has no final loss: it is counted, and the other columns are of the rest.
Reads the run.h5 files of a sweep over precision.recipe and seed."""
import argparse
import math
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

import h5py

import package_path  # noqa: F401  makes precipice importable
from precipice.runs.config_text import parse_config
from precipice.safe_files import regular

# Two-sided 95% quantiles of Student's t by degrees of freedom (any table of the distribution).
T95 = [None, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]


def read(sweep):
    """recipe -> seed -> (final validation loss, diverged)."""
    losses = defaultdict(dict)
    for path in sorted(sweep.glob("*/run.h5")):
        with h5py.File(regular(path)) as run:
            config = run["config"][()]
            config = parse_config(config.decode() if isinstance(config, bytes) else config)
            status = run.attrs["status"]
            values = run["eval/validation_loss"][:]
            losses[config["precision.recipe"]][config["seed"]] = (float(values[-1]), "diverged" in str(status))
    return losses


def row(recipe, runs, reference):
    seeds = sorted(s for s in runs if not runs[s][1])
    values = [runs[s][0] for s in seeds]
    shared = [s for s in seeds if s in reference and not reference[s][1]]
    differences = [runs[s][0] - reference[s][0] for s in shared]
    difference = "" if runs is reference else "n too small" if seeds else "all diverged"
    if runs is not reference and 2 <= len(differences) <= len(T95) and all(map(math.isfinite, differences)):
        half = T95[len(differences) - 1] * stdev(differences) / math.sqrt(len(differences))
        difference = f"{mean(differences):+.4f} ({mean(differences) - half:+.4f} to {mean(differences) + half:+.4f})"
    center = f"{mean(values):.4f}" if values else "-"
    spread = f"{stdev(values):.4f}" if len(values) > 1 else "-"
    return f"| `{recipe}` | {len(runs)} | {len(runs) - len(seeds)} | {center} | {spread} | {difference} |"


def main():
    parser = argparse.ArgumentParser(prog="scripts/recipe_table")
    parser.add_argument("sweep", type=Path)
    sweep = parser.parse_args().sweep
    losses = read(sweep)
    if "bf16" not in losses:
        print(f"recipe_table: {sweep}: no run of recipe bf16", file=sys.stderr)
        return 4
    print("| recipe | n | diverged | validation loss, mean | sd | difference to bf16, same seeds (95% interval) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for recipe in sorted(losses, key=lambda name: (name != "bf16", name)):
        print(row(recipe, losses[recipe], losses["bf16"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
