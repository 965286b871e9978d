# SPDX-License-Identifier: Apache-2.0
"""What the tests of precipice_numerics share: the built program as an oracle, numbers of every kind, and equality of bits."""
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("PRECIPICE_PROGRAM", str(ROOT / "build/release/precipice"))


def run(arguments, data=b"", check=True):
    """What the program writes to standard output."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([PROGRAM, *map(str, arguments)], input=data, capture_output=True, env=environment, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.stderr.decode()}")
    return done.stdout if check else done


def cast_by_program(x, *arguments):
    return np.frombuffer(run(["cast", *arguments], x.tobytes()), np.float32)


def quantized_by_program(x, rows, cols, *arguments):
    """Values and dequantization scales of `precipice cast --recipe`."""
    with tempfile.TemporaryDirectory() as folder:
        scales = Path(folder) / "scales"
        values = run(["cast", *arguments, "--shape", f"{rows}x{cols}", "--scales", scales], x.tobytes())
        return np.frombuffer(values, np.float32), np.fromfile(scales, np.float32)


def in_parallel(work, items):
    """A process of the program each: most of its time is loading libraries."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def numbers(shape, seed, spread=20):
    """Bell-shaped, of magnitudes over 2^spread and both signs, one in 17 a zero."""
    random = np.random.default_rng(seed)
    values = random.standard_normal(shape) * np.exp2(random.integers(-spread, 1, shape))
    values[random.integers(0, 17, shape) == 0] = 0
    return values.astype(np.float32)


def awkward_numbers():
    """Every exponent of float32 with a few mantissas, ends of ranges, subnormals, zeros, infinities, NaNs with payloads."""
    exponents = np.arange(256, dtype=np.uint32) << 23
    mantissas = np.array([0, 1, 0x7FFFFF, 0x400000, 0x3FFFFF, 0x600001, 0x123456, 0x080000], np.uint32)
    magnitudes = (exponents[:, None] | mantissas).reshape(-1)
    return np.concatenate([magnitudes, magnitudes | np.uint32(1 << 31)]).view(np.float32)


def same_bits(a, b):
    """Whether two arrays have the same shape, type and bytes."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def first_difference(a, b):
    """Text for a message: where two arrays of floats differ first."""
    a, b = np.asarray(a).reshape(-1), np.asarray(b).reshape(-1)
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.shape} {a.dtype} and {b.shape} {b.dtype}"
    at = np.flatnonzero(a.view(f"u{a.itemsize}") != b.view(f"u{b.itemsize}"))
    return "equal" if at.size == 0 else f"{at.size} of {a.size} differ, first at {at[0]}: {a[at[0]]!r} and {b[at[0]]!r}"
