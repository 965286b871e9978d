# SPDX-License-Identifier: Apache-2.0
"""Number formats, their codes, and rounding to them."""
from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._arrays import flat, raw, read, result_like, stream_of, threads_of, whole

_MOST_LISTED_BITS = 16


@functools.lru_cache(maxsize=256)
def _parsed(spelling: str) -> _core.Format:
    """It cannot be changed: calls with one spelling share it."""
    return _core.Format(spelling)


class Format:
    """A number format: sign, exponent bits, mantissa bits, bias, and which codes are special.

    `spelling` is a preset's name ("e4m3", "bf16", "e8m0", "int8", ...; presets() has all), "eXmY" (X exponent and Y
    mantissa bits), or "qI.F" (fixed point: I integer and F fraction bits), each with options:

        e4m3:bias=8,specials=ieee|fn|fnuz|finite|p3109,subnormals=keep|flush|flush-inputs|none,sign=signed|twos|unsigned
        e0m7:lsb=-6,sign=twos          lsb: log2 of the quantum, in place of bias, for fixed point
        e8m0:zero=no

    eXmY without options is IEEE-like with bias 2^(X-1)-1, except for the published names: e4m3 is OCP's (448 is the
    largest, no infinity), e3m2, e2m3 and e2m1 have no special codes, e8m0 is OCP's scale format. Sources: OCP OFP8 1.0,
    OCP MX 1.0, IEEE 754-2019, IEEE P3109; `citation` names a preset's.

    Raises ConfigError, which is a ValueError, naming the field and what is allowed.

    >>> Format("e4m3").max, Format("e4m3").min_normal, Format("e4m3").min_positive
    (448.0, 0.015625, 0.001953125)
    """

    __slots__ = ("_core",)

    def __init__(self, spelling: str | Format) -> None:
        if isinstance(spelling, Format):
            self._core = spelling._core
        elif isinstance(spelling, str):
            self._core = _parsed(spelling)
        else:
            raise TypeError(f"a format is a spelling such as 'e4m3', or a Format, not {type(spelling).__name__}")

    def __repr__(self) -> str:
        return f"Format({self.spelling!r})"

    def __str__(self) -> str:
        return self.spelling

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and self._core == other._core

    def __hash__(self) -> int:
        return hash(self.spelling)

    def __reduce__(self) -> tuple:
        return (Format, (self.spelling,))

    @property
    def spelling(self) -> str:
        """The shortest spelling of this format; Format(f.spelling) == f."""
        return self._core.spelling

    @property
    def citation(self) -> str:
        """Where a preset comes from; "" for a format that is no preset."""
        return next((text for name, text in _core.preset_formats() if _core.Format(name) == self._core), "")

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return self._core.bits

    @property
    def exponent_bits(self) -> int:
        """Exponent bits, 0 to 8; 0 is fixed point."""
        return self._core.exponent_bits

    @property
    def mantissa_bits(self) -> int:
        """Mantissa bits M, 0 to 23, without the implicit one."""
        return self._core.mantissa_bits

    @property
    def precision(self) -> int:
        """Significant bits, M + 1."""
        return self._core.precision

    @property
    def bias(self) -> int:
        """A normal code's value is (-1)^s 2^(e - bias) (1 + m 2^-M)."""
        return self._core.bias

    @property
    def specials(self) -> str:
        """ieee (infinities and NaN in the highest exponent), fn (one NaN a sign), fnuz (NaN in place of -0), finite, p3109."""
        return self._core.specials

    @property
    def subnormals(self) -> str:
        """keep, flush (results), flush-inputs (inputs too), none (exponent field 0 holds normal numbers)."""
        return self._core.subnormals

    @property
    def sign(self) -> str:
        """signed (sign and magnitude), twos, unsigned."""
        return self._core.sign

    @property
    def zero(self) -> bool:
        """Whether zero is a number of it; OCP's e8m0 has none."""
        return self._core.zero

    @property
    def is_fixed_point(self) -> bool:
        """Whether its numbers are multiples of one quantum: 0 exponent bits."""
        return self._core.is_fixed_point

    @property
    def emin(self) -> int:
        """Exponent of the smallest normal number."""
        return self._core.emin

    @property
    def emax(self) -> int:
        """Exponent of the largest finite number."""
        return self._core.emax

    @property
    def max(self) -> float:
        """The largest finite number."""
        return self._core.max

    @property
    def lowest(self) -> float:
        """The lowest number: 0 for unsigned formats, and the smallest positive one where these have no zero."""
        return self._core.lowest

    @property
    def min_normal(self) -> float:
        """The smallest positive normal number; for fixed point the quantum."""
        return self._core.min_normal

    @property
    def min_positive(self) -> float:
        """The smallest positive number that a result can have: with subnormals the smallest of these."""
        return self._core.min_positive

    @property
    def epsilon(self) -> float:
        """From 1 to the next number, 2^-M; for fixed point the quantum."""
        return self._core.epsilon

    @property
    def has_infinity(self) -> bool:
        """Whether infinities have codes."""
        return self._core.has_infinity

    @property
    def has_nan(self) -> bool:
        """Whether NaN has a code."""
        return self._core.has_nan

    @property
    def has_minus_zero(self) -> bool:
        """Whether -0 has a code of its own."""
        return self._core.has_minus_zero

    @property
    def code_dtype(self) -> np.dtype:
        """NumPy's smallest unsigned type that holds a code."""
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16 if self.bits <= 16 else np.uint32)

    def values(self) -> np.ndarray:
        """The value of every code in the order of codes: float32 of shape (2 ** bits,), exact, NaN and infinities included.

        Raises ValueError for formats of more than 16 bits.
        """
        if self.bits > _MOST_LISTED_BITS:
            raise ValueError(f"{self} has 2^{self.bits} codes; values() lists those of formats up to {_MOST_LISTED_BITS} bits")
        return self.decode(np.arange(2**self.bits, dtype=np.uint32))

    def decode(self, codes: Any, *, threads: int | None = None) -> np.ndarray:
        """Values of codes: whole numbers of any shape below 2 ** bits -> float32 of that shape, exact.

        Raises TypeError for an array of another kind, and ValueError naming a code that the format has not.
        """
        given = np.asarray(codes)
        if given.dtype.kind not in "ui" and given.size > 0:
            raise TypeError(f"codes are whole numbers; the array has dtype {given.dtype.name}")
        if given.size > 0 and not 0 <= int(given.min()) <= int(given.max()) < 2**self.bits:
            at = np.flatnonzero((given.reshape(-1) < 0) | (given.reshape(-1) >= 2**self.bits))[0]
            raise ValueError(f"element {at} is {given.reshape(-1)[at]}; codes of {self} are 0 to {2**self.bits - 1}")
        narrow = np.array(given, dtype=self.code_dtype, order="C", copy=None if np.__version__ >= "2" else False)
        out = np.empty(given.shape, np.float32)
        self._core.decode(narrow.reshape(-1), out.reshape(-1), threads_of(threads))
        return out

    def encode(self, values: Any, *, threads: int | None = None) -> np.ndarray:
        """Codes of numbers of this format, such as cast() gives them -> code_dtype of the same shape.

        Raises ValueError naming the first element that is no number of the format: nothing is rounded here.
        """
        given = read(values, "values")
        flat = given.flat
        on_grid = cast(values, self, "rne", "native", threads=threads).reshape(-1)
        wide = (flat.astype(np.uint32) << 16).view(np.float32) if given.is_bfloat16 else flat
        differs = (on_grid != wide) & ~(np.isnan(on_grid) & np.isnan(wide))
        if differs.any():
            at = int(np.flatnonzero(differs)[0])
            raise ValueError(f"element {at} is {wide[at]!r}, which {self} has not; cast() it first")
        codes = np.empty(on_grid.shape, np.uint32)
        self._core.encode(on_grid, codes, threads_of(threads))
        return codes.astype(self.code_dtype).reshape(given.shape)


def presets() -> dict[str, Format]:
    """The formats that have names, in the order in which `precipice formats` lists them."""
    return {name: Format(name) for name, _ in _core.preset_formats()}


def roundings() -> list[str]:
    """The rounding modes: rne rna rtz rup rdn rto (IEEE 754's, and to odd) and the stochastic sr, sr-b, sr-c (P3109's)."""
    return _core.roundings()


def overflows() -> list[str]:
    """What becomes of numbers beyond the largest finite one: saturate, native, propagate (see cast())."""
    return ["saturate", "native", "propagate"]


class Events(NamedTuple):
    """What happened while an array was rounded. They exclude one another, but for `subnormal`."""
    total: int
    """elements"""
    nan_in: int
    """NaN at the input"""
    saturated: int
    """beyond the finite range, infinities too, and clamped to its end"""
    overflowed: int
    """became infinity or NaN from a finite or infinite input"""
    underflowed: int
    """nonzero, within the range, and became zero"""
    subnormal: int
    """nonzero results below the smallest normal"""
    amax: float
    """largest magnitude of the input, before any scale; NaN if there is a NaN"""


def cast(x: Any, format: str | Format, rounding: str = "rne", overflow: str = "saturate", *, random_bits: int = 32,
         seed: int = 0, step: int = 0, site: int = 0, operand: int = 0, first_element: int = 0, dtype: str = "float32",
         out: np.ndarray | None = None, events: bool = False, threads: int | None = None) -> Any:
    """Rounds every element to a format, once: the bits of `precipice cast --format ...`.

    x: float32, float64, float16 or bfloat16 of any shape and layout: a NumPy array, or anything with __dlpack__ (a PyTorch
        tensor in the CPU's memory) or __array__; float64 is not rounded to float32 on the way. Arrays that lie contiguously
        are read where they are.
    format: a Format or its spelling.
    rounding: rne (nearest, ties to even), rna (ties away), rtz (toward zero), rup, rdn (up, down), rto (to odd), sr
        (stochastic; sr-b and sr-c are P3109's variants B and C).
    overflow: saturate (the largest value, for infinities too), native (the format's infinity, else NaN, else saturate),
        propagate (finite values saturate, infinities stay). Modes that round inward stop at the largest value anyhow.
    random_bits: 1 to 32 of stochastic rounding; the probability of the upper neighbour is exact in so many bits.
    seed, step, site, operand: name the stream of random words, Philox4x32-10 (Salmon et al., SC 2011); element i, counted
        in C order, uses word first_element + i. Results depend on these alone: not on threads, processor, or how an array
        is cut.
    dtype: 'float32', or 'bfloat16' (of ml_dtypes) for a format whose numbers bfloat16 has.
    out: a C-contiguous array of that dtype for the result, x itself perhaps; spares memory and time.
    events: return (result, Events).

    Returns values on the format's grid in the shape of x. NaN stays NaN; where the format has no code for it, encode()
    will say so.
    Raises ConfigError (a ValueError), TypeError or ValueError naming the argument and what is allowed.

    >>> cast([0.3, 448, 500, -1e-9], "e4m3")
    array([ 3.125e-01,  4.480e+02,  4.480e+02, -0.000e+00], dtype=float32)
    """
    values = read(x, "x")
    bits = whole("random_bits", random_bits, 1, 32)
    first = whole("first_element", first_element, 0, 2**50 - 1)
    if first + values.array.size > 2**50:
        raise ValueError(f"first_element = {first} leaves fewer than {values.array.size} random words of 2^50")
    result = result_like(values.shape, out, dtype, values.array)
    counts = _core.cast(values.flat, flat(raw(result)), Format(format)._core, rounding, overflow, bits,
                        stream_of(seed, step, site, operand), first, values.is_bfloat16, threads_of(threads))
    return (result, Events(*counts)) if events else result
