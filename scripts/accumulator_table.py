# SPDX-License-Identifier: Apache-2.0
"""What each accumulator does beside fp32 sums on the same seeds: the final validation loss less that of fp32 sums, with a
95 % interval (Student's t); the squared error of the gradient (zeta_norm) of both and the bias of dw (matrix_bias) less
that of fp32 sums, with its interval (means of the logged steps); and processor time over that of fp32 sums. Reads
run.h5 and status.json of a sweep over precision.recipe, precision.accumulator, optimizer.lr and seed; runs that did not
end or diverged are left out."""
import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev

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


@dataclass
class Measured:
    loss: float
    zeta: float
    bias: float  # of dw
    seconds: float  # of processor time


def read(sweep):
    """(recipe, accumulator, rate) -> seed -> Measured, in the order of the sweep's files."""
    runs = {}
    for path in sorted(sweep.glob("*/run.h5")):
        with h5py.File(regular(path)) as run:
            config = run["config"][()]
            config = parse_config(config.decode() if isinstance(config, bytes) else config)
            if "done" not in str(run.attrs["status"]):
                continue
            cell = config["precision.recipe"], config["precision.accumulator"], config["optimizer.lr"]
            status = json.loads(regular(path.with_name("status.json")).read_text(encoding="utf-8"))
            runs.setdefault(cell, {})[config["seed"]] = Measured(
                loss=float(run["eval/validation_loss"][-1]), zeta=mean(run["gradient_error/zeta_norm"][:].tolist()),
                bias=mean(run["gradient_bias/matrix_bias"][:].tolist()), seconds=status["cpu_seconds"])
    return runs


def interval(differences):
    """(mean, half of the 95 % interval by Student's t)."""
    return mean(differences), T95[len(differences) - 1] * stdev(differences) / math.sqrt(len(differences))


def row(cell, runs, reference):
    seeds = sorted(runs.keys() & reference.keys())
    if not 2 <= len(seeds) < len(T95) + 1:
        return None
    loss, loss_half = interval([runs[s].loss - reference[s].loss for s in seeds])
    bias, bias_half = interval([runs[s].bias - reference[s].bias for s in seeds])
    zeta, plain = (mean(of[s].zeta for s in seeds) for of in (runs, reference))
    cost = median(runs[s].seconds for s in seeds) / median(reference[s].seconds for s in seeds)
    recipe, accumulator, rate = cell
    return (f"| {recipe} | {rate:g} | {short(accumulator)} | {len(seeds)} | {loss:+.4f} | {loss - loss_half:+.4f} to "
            f"{loss + loss_half:+.4f} | {zeta:.1e} | {plain:.1e} | {bias:+.1e} | {bias - bias_half:+.1e} to "
            f"{bias + bias_half:+.1e} | {cost:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweep", type=Path)
    runs = read(parser.parse_args().sweep)
    columns = ["recipe", "rate", "sums", "pairs", "loss less that of fp32 sums, nats", "95 % interval", "zeta",
               "zeta of fp32 sums", "bias of dw less that of fp32 sums", "95 % interval", "time"]
    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join(["---"] * len(columns)) + " |")
    for cell in sorted(runs, key=lambda cell: (cell[0], cell[2], cell[1])):
        reference = runs.get((cell[0], REFERENCE, cell[2]))
        line = row(cell, runs[cell], reference) if reference and cell[1] != REFERENCE else None
        if line:
            print(line)


if __name__ == "__main__":
    main()
