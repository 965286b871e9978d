#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums recorded on tensor cores, for tests/precision/accumulator: a sample, or all of them.

Source: the recordings of arXiv 2512.07004, model_validation/ of its repository MATLAB-tensor-core. Each folder GPU/FORMAT
holds the operands of 5000 dot products as binary32 patterns, c and d as bits.

  make_accumulator_recordings.py model_validation > accumulator_recordings.txt
  make_accumulator_recordings.py model_validation --all > all.txt
Lines: set, preset, format, c, d, then a and b. Half of the sample are sums that come out otherwise when products are
aligned by their value.
"""

import random
import struct
import sys
from fractions import Fraction
from pathlib import Path

# The first columns of a unit: products to a block, fraction bits, of the result.
UNITS = {
    "volta-fp16": (4, 23, 23), "ampere-fp16": (8, 24, 23), "ampere-bf16": (8, 24, 23), "ampere-tf32": (4, 24, 23),
    "ada-fp8": (16, 13, 13), "hopper-fp8": (32, 13, 13), "hopper-fp16": (16, 25, 23), "hopper-bf16": (16, 25, 23),
    "hopper-tf32": (8, 25, 23), "blackwell-fp16": (16, 25, 23), "blackwell-bf16": (16, 25, 23),
    "blackwell-tf32": (8, 25, 23), "hopper-mma-fp8": (32, 25, 23)}
GENERATION = {"V100": "volta", "A100": "ampere", "A2": "ampere", "Ada": "ampere", "L40S": "ampere", "H100": "hopper",
              "H200": "hopper", "B200": "blackwell"}
SAMPLE = 20


def preset_of(gpu, name):
    if not name.startswith("E"):
        return f"{GENERATION[gpu]}-{name}"
    return {"H": "hopper-fp8", "B": "hopper-mma-fp8"}.get(gpu[0], "ada-fp8")


def number(pattern):
    return Fraction(struct.unpack(">f", struct.pack(">I", pattern))[0])


def exponent(x):
    x = abs(x)
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if Fraction(2) ** e <= x else e - 1


def cut(x, unit):
    return int(x / unit) if x >= 0 else -int(-x / unit)


def sum_by_value(preset, c, a, b):
    block, fraction, output = UNITS[preset]
    d = c
    for k in range(0, len(a), block):
        terms = [x * y for x, y in zip(a[k:k + block], b[k:k + block])] + [d]
        e = max((exponent(t) for t in terms if t), default=-126)
        unit = Fraction(2) ** (e - fraction)
        total = sum(cut(t, unit) for t in terms) * unit
        if total:
            place = Fraction(2) ** (exponent(total) - output)
            total = cut(total, place) * place
        d = total
    return d


def read(folder, gpu, name):
    def words(kind, base):
        return [[int(w, base) for w in line.split()] for line in (folder / kind).read_text().split("\n") if line.strip()]
    a, b = (words(f"{side}_{gpu}_{name}.txt", 16) for side in "ab")
    c, d = (words(f"{side}_{gpu}_fp32.txt", 2) for side in "cd")
    return [(ci[0], di[0], ai, bi) for ai, bi, ci, di in zip(a, b, c, d, strict=True)]


def main():
    root, whole = Path(sys.argv[1]), "--all" in sys.argv[2:]
    print("# Made by make_accumulator_recordings.py from the recordings of arXiv 2512.07004 (MATLAB-tensor-core).")
    for folder in sorted(p for p in root.glob("*/*") if p.is_dir()):
        gpu, name = folder.parts[-2:]
        if gpu not in GENERATION:
            continue
        preset = preset_of(gpu, name)
        records = read(folder, gpu, name)
        if preset == "hopper-fp8":
            records = [(0, d, a, b) for _, d, a, b in records]  # recorded without c
        if not whole:
            random.seed(f"{gpu}/{name}")
            random.shuffle(records)
            # hopper-mma-fp8 adds c at the end, which is not the rule of sum_by_value.
            differs = [] if preset == "hopper-mma-fp8" else [
                r for r in records[:2000]
                if sum_by_value(preset, number(r[0]), *([number(x) for x in side] for side in r[2:])) != number(r[1])]
            chosen = differs[:SAMPLE]
            records = chosen + [r for r in records if r not in chosen][:2 * SAMPLE - len(chosen)]
        for c, d, a, b in records:
            print(f"{gpu}/{name}", preset, name.lower(), *(f"{x:08x}" for x in (c, d, *a, *b)))


main()
