# SPDX-License-Identifier: Apache-2.0
"""Final validation loss of each accumulator less that of fp32 sums on the same seeds, with a 95 % interval (Student's t),
and the error of the gradient (zeta_norm, the mean of the logged steps) of both. Reads the run.h5 files of a sweep over
precision.recipe, precision.accumulator, optimizer.lr and seed; runs that did not end or diverged are left out."""
import argparse
import math
from pathlib import Path
from statistics import mean, stdev

import h5py

from recipe_table import T95
import package_path  # noqa: F401  makes precipice importable
from precipice.runs.config_text import parse_config
from precipice.safe_files import regular

REFERENCE = "fp32"


def short(accumulator):
    """"14 bits, promoted every 128" of a tensor core's spelling; other spellings as they are."""
    name, _, options = accumulator.partition(":")
    if name != "tensor-core":
        return accumulator
    found = dict(option.split("=") for option in options.split(","))
    text = f"{found['bits']} bits"
    if found.get("promote", "128") != "0":
        text += f", promoted every {found.get('promote', '128')}"
    return text + (", register apart" if found.get("register") == "added" else "")


def read(sweep):
    """(recipe, accumulator, rate) -> seed -> (loss, error of the gradient), in the order of the sweep's files."""
    runs = {}
    for path in sorted(sweep.glob("*/run.h5")):
        with h5py.File(regular(path)) as run:
            config = run["config"][()]
            config = parse_config(config.decode() if isinstance(config, bytes) else config)
            if "done" not in str(run.attrs["status"]):
                continue
            cell = config["precision.recipe"], config["precision.accumulator"], config["optimizer.lr"]
            runs.setdefault(cell, {})[config["seed"]] = (
                float(run["eval/validation_loss"][-1]), float(mean(run["gradient_error/zeta_norm"][:].tolist())))
    return runs


def row(cell, runs, reference):
    seeds = sorted(runs.keys() & reference.keys())
    differences = [runs[s][0] - reference[s][0] for s in seeds]
    if not 2 <= len(differences) < len(T95) + 1:
        return None
    half = T95[len(differences) - 1] * stdev(differences) / math.sqrt(len(differences))
    middle = mean(differences)
    errors = [mean(of[s][1] for s in seeds) for of in (runs, reference)]
    recipe, accumulator, rate = cell
    return (f"| {recipe} | {rate:g} | {short(accumulator)} | {len(seeds)} | {middle:+.4f} | {middle - half:+.4f} to "
            f"{middle + half:+.4f} | {errors[0]:.1e} | {errors[1]:.1e} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweep", type=Path)
    runs = read(parser.parse_args().sweep)
    print("| recipe | rate | sums | pairs | loss less that of fp32 sums, nats | 95 % interval | zeta | zeta of fp32 sums |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for cell in sorted(runs, key=lambda cell: (cell[0], cell[2], cell[1])):
        reference = runs.get((cell[0], REFERENCE, cell[2]))
        line = row(cell, runs[cell], reference) if reference and cell[1] != REFERENCE else None
        if line:
            print(line)


if __name__ == "__main__":
    main()
