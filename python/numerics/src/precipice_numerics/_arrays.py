# SPDX-License-Identifier: Apache-2.0
"""Arrays on their way in and out: what is accepted, what is refused and why, and what is copied (nothing, where it need not
be)."""
from __future__ import annotations

import operator
import os
from typing import Any, NamedTuple

import numpy as np

from . import _core

ALLOWED = "float32, float64, float16 and bfloat16"
_CPU = (1, 3, 11, 13)  # DLPack's devices whose memory the CPU reads: kDLCPU, pinned for CUDA and ROCm, managed
_DEVICES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 14: "oneAPI"}
_NATIVE = (np.dtype(np.float32), np.dtype(np.float64))  # what most calls bring: names of types are slow to ask for
_threads: int | None = None


def set_num_threads(threads: int | None) -> None:
    """Sets how many threads a call takes that is not given `threads` itself.

    None, which is how it begins: the cores that this process may run on. No result depends on it.
    """
    global _threads
    _threads = None if threads is None else whole("threads", threads, 1, 1024)


def get_num_threads() -> int:
    """How many threads a call takes that is not given `threads` itself."""
    if _threads is not None:
        return _threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def instruction_set() -> str:
    """What the array loops are compiled for on this processor: generic, avx2 or avx512; PRECIPICE_ISA forces one."""
    return _core.isa()


def threads_of(threads: int | None) -> int:
    return get_num_threads() if threads is None else whole("threads", threads, 1, 1024)


def whole(name: str, value: Any, lowest: int, highest: int) -> int:
    """A whole number within limits, or an error that names all of it."""
    if type(value) is int and lowest <= value <= highest:  # what is mostly given, without a call
        return value
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number from {lowest} to {highest}, not {value!r}") from None
    if not lowest <= number <= highest:
        raise ValueError(f"{name} must be a whole number from {lowest} to {highest}, not {number}")
    return number


def stream_of(seed: int, step: int, site: int, operand: int) -> tuple[int, int, int, int]:
    return (whole("seed", seed, 0, 2**64 - 1), whole("step", step, 0, 2**32 - 1), whole("site", site, 0, 2**32 - 1),
            whole("operand", operand, 0, 2**16 - 1))


def flat(array: np.ndarray) -> np.ndarray:
    """All numbers of a C-contiguous array side by side."""
    return array if array.ndim == 1 else array.reshape(-1)


class Values(NamedTuple):
    """An array as the extension takes it: C-contiguous, aligned, of this machine's byte order; bfloat16 as uint16 until it is
    widened."""
    array: np.ndarray
    is_bfloat16: bool
    shape: tuple[int, ...]

    @property
    def flat(self) -> np.ndarray:
        return flat(self.array)


def _handed_over(x: Any, name: str) -> tuple[np.ndarray, bool]:
    """The memory of an array of another library, by DLPack."""
    kind = type(x).__name__
    device = int(x.__dlpack_device__()[0])
    if device not in _CPU:
        raise TypeError(f"{name} is on device {_DEVICES.get(device, f'number {device} of DLPack')}; "
                        "only arrays in the CPU's memory are taken, such as x.cpu()")
    try:
        return _core.view(x.__dlpack__())
    except Exception as error:  # each library has errors of its own: gradients, types without a name
        raise TypeError(f"{name}: the {kind} does not hand over its memory: {error}") from None


def _as_numpy(x: Any, name: str, of_lists: type) -> tuple[np.ndarray, bool]:
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be lost; give x.filled(...) or x.data")
    if isinstance(x, (np.ndarray, np.generic)):
        return np.asarray(x), False
    if isinstance(x, (int, float, list, tuple)):
        try:
            return np.asarray(x, dtype=of_lists), False
        except (TypeError, ValueError) as error:
            raise TypeError(f"{name} is a {type(x).__name__} that is no array of numbers: {error}") from None
    if hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__"):
        return _handed_over(x, name)
    if hasattr(x, "__array__") or hasattr(x, "__array_interface__"):
        return np.asarray(x), False
    try:
        return np.asarray(memoryview(x)), False
    except TypeError:
        raise TypeError(f"{name} must be an array (NumPy, or anything with __dlpack__ or __array__), a number or a list of "
                        f"numbers, not {type(x).__name__}") from None


def _lies_well(x: Any) -> bool:
    if type(x) is not np.ndarray or x.dtype not in _NATIVE:
        return False
    flags = x.flags
    return flags.c_contiguous and flags.aligned


def read(x: Any, name: str = "x", *, of_lists: type = np.float64) -> Values:
    """An array of floats, without a copy where it lies as it should. `of_lists`: the type of Python's own numbers."""
    if _lies_well(x):
        return Values(x, False, x.shape)
    array, is_bfloat16 = _as_numpy(x, name, of_lists)
    if array.dtype.name == "bfloat16":
        is_bfloat16 = True
    elif not is_bfloat16 and not (array.dtype.kind == "f" and array.dtype.itemsize in (2, 4, 8)):
        raise TypeError(f"{name} has dtype {array.dtype.name}; allowed are {ALLOWED}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if not (array.flags.c_contiguous and array.flags.aligned):
        array = np.array(array, order="C", copy=True)
    if array.dtype.name == "bfloat16":
        array = array.view(np.uint16)
    return Values(array, is_bfloat16, array.shape)


def read_operand(x: Any, name: str) -> Values:
    """float32 as it is; bfloat16 and float16 widened to it, which is exact. float64 is refused."""
    values = read(x, name, of_lists=np.float32)
    array = values.array
    if array.dtype == np.float64:
        raise TypeError(f"{name} has dtype float64; operands are float32, bfloat16 or float16, of which a scale is made: "
                        f"give {name}.astype('float32')")
    if values.is_bfloat16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    return values._replace(array=array)


def read_matrix(x: Any, name: str) -> Values:
    """An operand as rows x columns: leading axes are rows, as a linear layer takes them. `shape` is the given one."""
    values = read_operand(x, name)
    if values.array.ndim < 2:
        raise ValueError(f"{name} must have at least 2 axes, rows and columns; its shape is {values.shape}")
    # reshape(-1, n) does not know how many rows an empty matrix has.
    rows = int(np.prod(values.shape[:-1], dtype=np.int64))
    return values._replace(array=values.array.reshape(rows, values.shape[-1]))


def _bfloat16() -> np.dtype:
    try:
        import ml_dtypes
    except ImportError:
        raise ImportError("dtype='bfloat16' needs ml_dtypes, NumPy's bfloat16: "
                          "pip install precipice-numerics[bfloat16]") from None
    return np.dtype(ml_dtypes.bfloat16)


def result_like(shape: tuple[int, ...], out: np.ndarray | None, dtype: str, x: np.ndarray) -> np.ndarray:
    """The array for results: `out` if it can be, else a new one. `x`: what is read meanwhile."""
    if dtype not in ("float32", "bfloat16"):
        raise ValueError(f"dtype must be 'float32' or 'bfloat16', not {dtype!r}")
    if out is None:
        return np.empty(shape, np.float32 if dtype == "float32" else _bfloat16())
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, not {type(out).__name__}")
    is_apart = out is x or not np.may_share_memory(out, x)
    if (_lies_well(out) and out.shape == shape and dtype == "float32" and out.dtype == _NATIVE[0] and out.flags.writeable
            and is_apart):
        return out
    is_x = out.ctypes.data == x.ctypes.data and out.dtype == x.dtype
    problems = {
        f"its shape is {out.shape}": out.shape != shape,
        f"its dtype is {out.dtype.name}": out.dtype.name != dtype or not out.dtype.isnative,
        "it is read-only": not out.flags.writeable,
        "it is not C-contiguous": not out.flags.c_contiguous,
        "it is not aligned": not out.flags.aligned,
        "it overlaps x without being x": not is_apart and not is_x and np.shares_memory(out, x),
    }
    for problem, is_one in problems.items():
        if is_one:
            raise ValueError(f"out must be a writable, C-contiguous array of shape {shape} and dtype {dtype}, x itself or "
                             f"apart from it; {problem}")
    return out


def raw(array: np.ndarray) -> np.ndarray:
    """The same memory as the extension names it."""
    return array if array.dtype == _NATIVE[0] or array.dtype.name != "bfloat16" else array.view(np.uint16)
