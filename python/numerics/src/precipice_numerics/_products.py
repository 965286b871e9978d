# SPDX-License-Identifier: Apache-2.0
"""Products of quantized operands, whose sums are kept as hardware keeps them."""
from __future__ import annotations

import functools
from typing import Any

import numpy as np

from . import _core
from ._arrays import read_matrix, read_operand, result_like, stream_of, threads_of
from ._formats import Format
from ._recipes import DelayedScales, Recipe

GEMMS = ("fprop", "dgrad", "wgrad")


def accumulators() -> dict[str, str]:
    """The accumulators that have names, with what each is and which evidence stands behind it."""
    return dict(_core.preset_accumulators())


class Linear:
    """The three GEMMs of a linear layer as a recipe computes them, with sums of an emulated accumulator.

        fprop  y = x w^T + bias      dgrad  dx = dy w      wgrad  dw = dy^T x

    recipe: a Recipe or its text; "fp32" rounds nothing.
    accumulator: how sums are kept. "fp32" (the default): one rounding to float32 for each product, in the order of k, on
        any machine; "native": the unit of the recipe's hardware; a preset of accumulators() such as "hopper-fp8"; or
        "every:format=e8m13,rounding=rtz", "chunk:size=64,format=fp16", "tensor-core:bits=14,...": docs/ACCUMULATORS.md. The
        program's default, "library", is the order of one matrix library on one machine and not to be had here.
    operands: ("e4m3", "e5m2") in place of a recipe: operands hold numbers of these formats, nothing is rounded or scaled.
    result: "fp32", "bf16", "fp16", ...: what sums are rounded to (nearest even) in place of the recipe's result.

    Raises ConfigError (a ValueError) naming the text and what is allowed, also where the accumulator's unit cannot
    multiply such operands.
    """

    __slots__ = ("_core", "recipe", "accumulator", "operands", "result")

    def __init__(self, recipe: str | Recipe = "fp32", accumulator: str = "fp32", *,
                 operands: tuple[str | Format, str | Format] | None = None, result: str | Format | None = None) -> None:
        if not isinstance(accumulator, str):
            raise TypeError(f"an accumulator is a text such as 'hopper-fp8', not {type(accumulator).__name__}")
        if accumulator == "library":
            raise ValueError("accumulator = library leaves sums to the program's matrix library and its order, which is not "
                             "here; fp32 sums in the order of k, as the program does with precision.accumulator=fp32")
        self.accumulator = accumulator
        self.result = None if result is None else Format(result)
        self.recipe = self.operands = None
        rounded = "" if self.result is None else self.result.spelling
        if operands is None:
            self.recipe = Recipe(recipe)
            self._core = _core.Linear.of_recipe(self.recipe.text, accumulator, rounded)
            return
        if not isinstance(operands, (tuple, list)) or len(operands) != 2:
            raise ValueError(f"operands must be two formats, such as ('e4m3', 'e5m2'), not {operands!r}")
        self.operands = (Format(operands[0]), Format(operands[1]))
        self._core = _core.Linear.of_formats(*(format.spelling for format in self.operands), accumulator, rounded)

    def __reduce__(self) -> tuple:
        made = functools.partial(Linear, operands=self.operands, result=self.result)
        return (made, (self.recipe or "fp32", self.accumulator))

    def __repr__(self) -> str:
        lines = [f"  {gemm}: {self._core.describe(gemm)}" for gemm in GEMMS]
        return "\n".join(["<Linear:", *lines, ">"])

    def gemm(self, gemm: str, first: Any, second: Any, *, bias: Any = None, seed: int = 0, step: int = 0, site: int = 0,
             evaluation: bool = False, scales: DelayedScales | None = None, out: np.ndarray | None = None,
             threads: int | None = None) -> np.ndarray:
        """One of the three: the bits of `precipice gemm --gemm ...`, and of a run's linears with this accumulator.

        first, second: as a model holds them, float32, bfloat16 or float16, leading axes being rows:
            fprop: x (..., in), w (out, in), and bias (out,) or None  ->  y (..., out)
            dgrad: dy (..., out), w (out, in)                         ->  dx (..., in)
            wgrad: dy (..., out), x (..., in)                         ->  dw (out, in)
        seed, step, site: of stochastic rounding, as a run's precision.seed, step and number of the matmul.
        evaluation: a validation pass, whose random words are others and which leaves delayed scales as they are.
        scales: delayed scales of this and other sites; without, they are at their initial value.
        out: a float32 array for the result.

        Raises ValueError naming the shapes that do not fit, and ConfigError where blocks do not.
        """
        if gemm not in GEMMS:
            raise ValueError(f"gemm must be one of {', '.join(GEMMS)}, not {gemm!r}")
        names = {"fprop": ("x", "w"), "dgrad": ("dy", "w"), "wgrad": ("dy", "x")}[gemm]
        a, b = read_matrix(first, names[0]), read_matrix(second, names[1])
        sums = {"fprop": (1, 1), "dgrad": (1, 0), "wgrad": (0, 0)}[gemm]
        if a.array.shape[sums[0]] != b.array.shape[sums[1]]:
            raise ValueError(f"{gemm} of {names[0]} {a.shape} and {names[1]} {b.shape}: it sums over "
                             f"{a.array.shape[sums[0]]} and {b.array.shape[sums[1]]} products, which must be as many")
        rows, cols = a.array.shape[1 - sums[0]], b.array.shape[1 - sums[1]]
        shape = (rows, cols) if gemm == "wgrad" else (*a.shape[:-1], cols)
        added = None
        if bias is not None:
            if gemm != "fprop":
                raise ValueError(f"a bias belongs to fprop, not to {gemm}")
            given = read_operand(bias, "bias")
            if given.shape != (cols,):
                raise ValueError(f"bias has shape {given.shape}; w of shape {b.shape} wants ({cols},)")
            added = given.array
        result = result_like(shape, out, "float32", a.array)
        if out is not None and np.shares_memory(out, b.array):
            raise ValueError(f"out overlaps {names[1]}, which is read meanwhile")
        if out is not None and np.shares_memory(out, a.array):
            raise ValueError(f"out overlaps {names[0]}, which is read meanwhile")
        if a.array.shape[sums[0]] == 0:
            raise ValueError(f"{gemm} of {names[0]} {a.shape} and {names[1]} {b.shape} has sums of no products")
        if result.size == 0:
            return result
        self._core.gemm(gemm, a.array, b.array, added, result.reshape(rows, cols), stream_of(seed, step, site, 0),
                        evaluation, None if scales is None else scales._core, threads_of(threads))
        return result


def gemm(first: Any, second: Any, recipe: str | Recipe = "fp32", gemm: str = "fprop", *, accumulator: str = "fp32",
         operands: tuple[str | Format, str | Format] | None = None, result: str | Format | None = None,
         **options: Any) -> np.ndarray:
    """One product of two quantized operands: Linear(recipe, accumulator, ...).gemm(gemm, first, second, ...).

    >>> x = np.full((1, 64), 1 / 3, np.float32)
    >>> gemm(x, x, "te-current", accumulator="hopper-fp8")
    array([[7.125]], dtype=float32)
    """
    return Linear(recipe, accumulator, operands=operands, result=result).gemm(gemm, first, second, **options)
