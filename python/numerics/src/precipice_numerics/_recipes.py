# SPDX-License-Identifier: Apache-2.0
"""Recipes: which quantizer a published system has at which operand, and quantizing with their scales."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np

from . import _core
from ._arrays import raw, read_matrix, result_like, stream_of, threads_of
from ._formats import Events, Format

SITES = ("linear", "attention", "lm_head")


def recipes() -> list[str]:
    """The names of all recipes, in the order of docs/RECIPES.md."""
    return _core.recipe_names()


class Recipe:
    """A published way to quantize the matmuls of a model: a quantizer for every operand of every GEMM.

    `text` is a name with options, "mxfp8:rule=rceil,element=e5m2"; recipes() has the names and docs/RECIPES.md the table.
    Raises ConfigError (a ValueError) naming what is unknown, with the nearest name.

    >>> print(Recipe("fp8").quantizer("dy", "wgrad"))
    e5m2 rne saturate, amax scale per tensor, te
    """

    __slots__ = ("_text", "_facts")

    def __init__(self, text: str | Recipe) -> None:
        if isinstance(text, Recipe):
            text = text.text
        if not isinstance(text, str):
            raise TypeError(f"a recipe is a text such as 'mxfp8:rule=rceil', or a Recipe, not {type(text).__name__}")
        self._text = _core.canonical_recipe(text)
        self._facts = _core.recipe_facts(self._text)
        _core.quantizer(self._text, "linear", "fprop", "x")  # its options are read

    def __repr__(self) -> str:
        return f"Recipe({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> tuple:
        return (Recipe, (self.text,))

    @property
    def text(self) -> str:
        """Its one spelling, options included, as a run's config keeps it."""
        return self._text

    @property
    def name(self) -> str:
        """The name without options."""
        return self._facts["name"]

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return self._facts["summary"]

    @property
    def citation(self) -> str:
        """The paper or the library's release that it is taken from."""
        return self._facts["citation"]

    @property
    def notes(self) -> str:
        """Where the published system differs, or its sources are silent."""
        return self._facts["notes"]

    @property
    def options(self) -> Mapping[str, str]:
        """Its options by name, with what each may be."""
        return dict(self._facts["options"])

    def quantizer(self, operand: str = "x", gemm: str = "fprop", site: str = "linear") -> Quantizer:
        """The quantizer of one operand (x, w, dy) of one GEMM.

            fprop  y = x w^T      dgrad  dx = dy w      wgrad  dw = dy^T x

        gemm: fprop (operands x and w), dgrad (dy and w), wgrad (dy and x). site: linear, attention (its two products) or
        lm_head. Raises ConfigError (a ValueError) for another word, and for an operand that the GEMM has not.
        """
        return Quantizer(self, operand, gemm, site)


class Quantizer:
    """What a recipe does to one operand of one GEMM: a scale, or one for each row or block, and rounding. Call it.

    Arguments are those of Recipe.quantizer(). str() says what it does in a line.
    """

    __slots__ = ("_core", "_made_of")

    def __init__(self, recipe: str | Recipe, operand: str = "x", gemm: str = "fprop", site: str = "linear") -> None:
        self._made_of = (Recipe(recipe).text, operand, gemm, site)
        self._core = _core.quantizer(self._made_of[0], site, gemm, operand)

    def __reduce__(self) -> tuple:
        return (Quantizer, self._made_of)

    def __repr__(self) -> str:
        return f"<Quantizer: {self}>"

    def __str__(self) -> str:
        return self._core.description

    @property
    def format(self) -> Format:
        """Of the elements."""
        return Format(self._core.format)

    @property
    def granularity(self) -> str:
        """Which elements share a scale: none, fixed, tensor, row, column, block."""
        return self._core.granularity

    @property
    def block(self) -> tuple[int, int] | None:
        """Rows and columns of a block in the tensor's own layout, where scales are of blocks."""
        return self._core.block

    @property
    def axis(self) -> int:
        """The axis of the tensor that the GEMM sums over, along which blocks and rows lie: -1, or -2."""
        return self._core.axis

    @property
    def is_delayed(self) -> bool:
        """Whether scales come from the amaxes of earlier steps (DelayedScales)."""
        return self._core.is_delayed

    @property
    def is_stochastic(self) -> bool:
        """Whether it draws random words."""
        return self._core.is_stochastic

    @property
    def is_rotated(self) -> bool:
        """Whether the operand goes through a Hadamard transform first; dequantized values stay rotated."""
        return self._core.is_rotated

    def __call__(self, x: Any, *, seed: int = 0, step: int = 0, site: int = 0, scales: DelayedScales | None = None,
                 dtype: str = "float32", out: np.ndarray | None = None, threads: int | None = None) -> Quantized:
        """Quantizes a tensor: the bits of `precipice cast --recipe`.

        x: float32, bfloat16 or float16 of at least 2 axes, as a model holds it: x (..., in), w (out, in), dy (..., out).
            Leading axes are rows. bfloat16 counts as a tensor of a system whose tensors are bfloat16, which some
            arithmetics look at. Any array with __dlpack__ or __array__; read where it is if it is contiguous float32.
        seed, step, site: of the random words of stochastic rounding; the operand's number is the slot's.
        scales: the state of delayed scales; without it they are at their initial value, 1.
        dtype, out: as cast()'s; bfloat16 for elements whose values bfloat16 has, which do not rotate.

        Raises ConfigError (a ValueError) where blocks do not fit the shape as the published kernel wants it.
        """
        given = read_matrix(x, "x")
        result = result_like(given.shape, out, dtype, given.array)
        if given.array.size == 0:
            none = np.ones((1, 1), np.float32)
            return Quantized(result, none, none, Events(0, 0, 0, 0, 0, 0, 0.0), 1.0, self)
        rows = raw(result).reshape(given.array.shape)
        states = None if scales is None else scales._core
        of_blocks, multipliers, events, outer = self._core.quantize(
            given.array, rows, given.is_bfloat16, stream_of(seed, step, site, self._core.operand), states,
            threads_of(threads))
        return Quantized(result, of_blocks, multipliers, Events(*events), outer, self)


@dataclass(frozen=True)
class Quantized:
    """A quantized tensor."""

    values: np.ndarray
    """on the elements' grid, in the shape of what was quantized: float32, or bfloat16 if that was asked for"""
    scales: np.ndarray
    """float32 (grid rows, grid columns) in the tensor's layout: what the values of a block are multiplied by to come back"""
    multipliers: np.ndarray
    """float32, as many: what the elements of a block were multiplied by (by DeepSeek's arithmetic: divided)"""
    events: Events
    """what happened to its elements"""
    outer: float
    """NVFP4: the part of every scale that belongs to the whole tensor; else 1"""
    quantizer: Quantizer
    """that made it"""

    def dequantize(self) -> np.ndarray:
        """values * scales with the recipe's own association and rounding, float32: `precipice cast --recipe` without --grid."""
        grid = self.values if self.values.dtype == np.float32 else self.values.astype(np.float32)
        out = np.empty(grid.shape, np.float32)
        if grid.size > 0:
            matrix = (-1, grid.shape[-1])
            self.quantizer._core.dequantize(grid.reshape(matrix), self.scales, self.multipliers, out.reshape(matrix))
        return out

    def codes(self) -> np.ndarray:
        """The codes of the values. Raises ValueError where they are not rounded to the format's grid alone."""
        return self.quantizer.format.encode(self.values)


class DelayedScales:
    """The state of delayed scaling: for each site and operand a scale and the amaxes that it came from.

    Within a step scales stand still; what was seen counts at end_step(). One object serves a whole model: calls name a
    `site`. Formulas: TransformerEngine's delayed_scaling.cu, MS-AMP's meta.py (precision/scaling/delayed_scale.h).

    >>> scales, quantizer = DelayedScales(), Recipe("te-delayed").quantizer("x")
    >>> for step in range(3):
    ...     q = quantizer(np.full((2, 16), 2.0**step, np.float32), step=step, scales=scales)
    ...     scales.end_step()
    >>> float(q.multipliers[0, 0])  # 448 over the largest of 1 and 2
    224.0
    """

    __slots__ = ("_core",)

    def __init__(self) -> None:
        self._core = _core.ScaleStates()

    def __getstate__(self) -> dict[str, list[float]]:
        return self.state_dict()

    def __setstate__(self, state: Mapping[str, Sequence[float]]) -> None:
        self._core = _core.ScaleStates()
        self.load_state_dict(state)

    def end_step(self) -> None:
        """Takes the amaxes of this step into the histories and makes the scales of the next."""
        self._core.end_step()

    def state_dict(self) -> dict[str, list[float]]:
        """All of it, as arrays of numbers by name ("scale.<site>.<operand>"): scale, number of updates, history."""
        return dict(self._core.save())

    def load_state_dict(self, state: Mapping[str, Sequence[float]]) -> None:
        """What state_dict() gave. Raises DataError (a ValueError) for a name or an array that it cannot have given."""
        for name, values in state.items():
            self._core.restore(name, [float(value) for value in values])


def quantize(x: Any, recipe: str | Recipe, operand: str = "x", gemm: str = "fprop", *, site_kind: str = "linear",
             **options: Any) -> Quantized:
    """Quantizes a tensor as a recipe does with one operand of one GEMM: Quantizer(recipe, operand, gemm)(x, ...).

    >>> quantize(np.eye(32, dtype=np.float32), "mxfp8", "w").scales.shape
    (32, 1)
    """
    return Quantizer(recipe, operand, gemm, site_kind)(x, **options)
