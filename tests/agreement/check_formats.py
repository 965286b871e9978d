# SPDX-License-Identifier: Apache-2.0
"""Compares `precipice cast` with ml_dtypes and gfloat: the values of all codes of every preset, and rounding.

ml_dtypes (with NumPy's float16), nearest even with native overflow, values and codes: all 2^16 bf16 patterns, 2^20 random
float32, and the grid. gfloat, all its modes that precipice has, both policies: the grid and random float32. The grid:
values and midpoints, their float32 neighbours on both sides, of both signs; every 509th of formats beyond 10 bits.
For the stochastic modes the words of Philox4x32-10 are computed here again. Needs the packages of requirements.txt;
scripts/check_agreement runs it. Exit status 1 if anything differs that peers.py does not explain.
"""

import argparse
import subprocess
import sys
import time
from collections import Counter

import gfloat
import numpy as np
from peers import DIFFERENCES, MODES, PEERS

SEED, STEP, SITE, OPERAND = 0x123456789ABCDEF, 3, 5, 2
RANDOM_BITS = (1, 4, 11)


class Report:
    def __init__(self):
        self.compared = Counter()
        self.by_design = Counter()
        self.failures = []

    def compare(self, peer, preset, what, x, ours, theirs, by_design=True):
        same = (ours == theirs) & (np.signbit(ours) == np.signbit(theirs)) | np.isnan(ours) & np.isnan(theirs)
        excused = np.zeros(x.shape, bool)
        for difference in DIFFERENCES:
            if by_design and difference.peer == peer and preset in difference.presets:
                mask = difference.concerns(x) & ~same & ~excused
                self.by_design[difference.reason] += int(mask.sum())
                excused |= mask
        wrong = ~same & ~excused
        self.compared[peer] += x.size
        if wrong.any():
            i = int(np.argmax(wrong))
            self.failures.append(
                f"{preset} {what}: {int(wrong.sum())} of {x.size} differ from {peer}; "
                f"{float(x[i]).hex()} -> {ours[i]!r}, {peer} {theirs[i]!r}"
            )


def cast(program, arguments, data, dtype):
    done = subprocess.run([program, "cast", *arguments], input=data.tobytes(), capture_output=True)
    if done.returncode != 0:
        sys.exit(f"check_formats: precipice cast {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")
    return np.frombuffer(done.stdout, dtype)


def code_type(bits):
    return np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32


def philox_words(count):
    """Words 0 .. count - 1 of the stream: Philox4x32-10 (Salmon et al. 2011), vectorised over blocks."""
    block = np.arange((count + 3) // 4, dtype=np.uint64)
    low = np.uint64(0xFFFFFFFF)
    c = [block & low, (block >> np.uint64(32)) | np.uint64(OPERAND << 16), block * 0 + np.uint64(STEP),
         block * 0 + np.uint64(SITE)]
    k0, k1 = SEED & 0xFFFFFFFF, SEED >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & low, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1),
             p0 & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1).reshape(-1)[:count]


def decoded_by_gfloat(fi, codes):
    return np.array([gfloat.decode_float(fi, int(code)).fval for code in codes])


def check_values(report, program, preset, peers):
    codes = np.arange(2**peers.bits if peers.bits <= 16 else 2**16, dtype=code_type(peers.bits))
    if peers.bits > 16:  # a sample over the whole range
        codes = (codes.astype(np.uint64) * (2**peers.bits - 1) // (2**16 - 1)).astype(code_type(peers.bits))
    ours = cast(program, ["--format", preset, "--from-codes"], codes, np.float32).astype(np.float64)
    report.compare("gfloat", preset, "values of codes", codes, ours, decoded_by_gfloat(peers.gfloat, codes), False)
    numpy_type = peers.values or peers.rounding
    if numpy_type:
        theirs = codes.view(numpy_type).astype(np.float64)
        report.compare("ml_dtypes", preset, "values of codes", codes, ours, theirs, False)
    return ours


def grid(values, bits):
    finite = np.unique(np.abs(values[np.isfinite(values)]))
    end = finite[-1] + (finite[-1] - finite[-2])
    chosen = np.arange(0, finite.size - 1, 1 if bits <= 10 else 509)
    points = np.concatenate([finite[chosen], (finite[chosen] + finite[chosen + 1]) / 2, finite[-8:],
                             [(finite[-1] + end) / 2, end]])
    points = points.astype(np.float32)
    inf = np.float32(np.inf)
    points = np.concatenate([points, np.nextafter(points, inf), np.nextafter(points, -inf)])
    return np.concatenate([points, -points, np.array([0.0, -0.0, inf, -inf, np.nan], np.float32)])


def check_ml_dtypes(report, program, preset, peers, points):
    random = np.random.default_rng(1).integers(0, 2**32, 2**20, dtype=np.uint32).view(np.float32)
    bf16 = (np.arange(2**16, dtype=np.uint32) << 16).view(np.float32)
    x = np.concatenate([points, bf16, random])
    rounded = x.astype(peers.rounding)
    theirs = rounded.astype(np.float64)
    arguments = ["--format", preset, "--rounding", "rne", "--overflow", "native"]
    report.compare("ml_dtypes", preset, "rne native", x, cast(program, arguments, x, np.float32).astype(np.float64),
                   theirs)
    # Codes, where no NaN is in the way: of those there may be several.
    number = ~np.isnan(x) & ~np.isnan(theirs)
    theirs = rounded[number].view(code_type(peers.bits)).astype(np.float64)
    ours = cast(program, arguments + ["--codes"], x[number], code_type(peers.bits)).astype(np.float64)
    report.compare("ml_dtypes", preset, "rne native, codes", x[number], ours, theirs)


def check_gfloat(report, program, preset, peers, points):
    random = np.random.default_rng(2).integers(0, 2**32, 4096, dtype=np.uint32)
    # Half of them in the format's own range.
    magnitudes = np.abs(points[np.isfinite(points) & (points != 0)]).astype(np.float64)
    low, high = np.floor(np.log2(magnitudes.min())) - 2, np.floor(np.log2(magnitudes.max())) + 2
    exponents = np.random.default_rng(3).integers(max(low, -140), min(high, 126) + 1, 4096)
    near = np.ldexp(random.astype(np.float64) / 2**31 - 1.0, exponents).astype(np.float32)
    x = np.concatenate([points, random.view(np.float32), near])
    wide = x.astype(np.float64)
    words = philox_words(x.size)
    for mode, gfloat_mode in MODES.items():
        stochastic = mode.startswith("sr")
        for bits in RANDOM_BITS if stochastic else (0,):
            arguments = ["--format", preset, "--rounding", mode]
            drawn = {}
            if stochastic:
                arguments += ["--random-bits", str(bits), "--seed", str(SEED), "--step", str(STEP), "--site", str(SITE),
                              "--operand", str(OPERAND)]
                drawn = {"srbits": (words >> np.uint64(32 - bits)).astype(np.int64), "srnumbits": bits}
            for overflow in ("saturate", "native"):
                # gfloat refuses to overflow where there is neither infinity nor NaN; native saturates there.
                saturate = overflow == "saturate" or (peers.gfloat.num_nans == 0 and peers.gfloat.num_infs == 0)
                theirs = gfloat.round_ndarray(peers.gfloat, wide, gfloat_mode, saturate, **drawn)
                ours = cast(program, arguments + ["--overflow", overflow], x, np.float32).astype(np.float64)
                report.compare("gfloat", preset, f"{mode} {overflow} bits {bits}", x, ours, theirs)


def main():
    parser = argparse.ArgumentParser(prog="scripts/check_agreement")
    parser.add_argument("program", help="the precipice program")
    parser.add_argument("--only", default="", metavar="PRESET")
    arguments = parser.parse_args()
    listed = {name for name in PEERS if not arguments.only or name == arguments.only}
    if not listed:
        parser.error(f"no preset {arguments.only}")
    np.seterr(all="ignore")  # overflow and NaN are among what is compared
    report = Report()
    for preset, peers in PEERS.items():
        if preset not in listed:
            continue
        start, failures = time.monotonic(), len(report.failures)
        values = check_values(report, arguments.program, preset, peers)
        points = grid(values, peers.bits)
        if peers.rounding:
            check_ml_dtypes(report, arguments.program, preset, peers, points)
        check_gfloat(report, arguments.program, preset, peers, points)
        verdict = "ok" if len(report.failures) == failures else "DIFFERS"
        print(f"{preset:<12} {time.monotonic() - start:5.1f} s  {verdict}", flush=True)
    print("different by design:")
    for difference in DIFFERENCES:
        if listed.isdisjoint(difference.presets):
            continue
        if report.by_design[difference.reason] == 0:
            report.failures.append(f"no input shows any more that {difference.peer}: {difference.reason}")
        print(f"  {report.by_design[difference.reason]:8} {difference.peer}: {difference.reason}")
    for failure in report.failures:
        print(f"DIFFERS {failure}")
    print(", ".join(f"{count} compared with {peer}" for peer, count in sorted(report.compared.items()))
          + f"; {len(report.failures)} unexplained differences")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
