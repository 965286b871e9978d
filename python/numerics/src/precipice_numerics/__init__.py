# SPDX-License-Identifier: Apache-2.0
"""Low-precision numerics, bit for bit as the program precipice computes them.

    import numpy as np
    import precipice_numerics as pn

    pn.Format("e4m3").max                                  448.0: any format by its spelling
    pn.cast(x, "e5m2", "sr", seed=1)                       rounded: nine modes, saturating or not, reproducible noise
    q = pn.quantize(x, "mxfp8:rule=rceil")                 values on the grid, scales, events; q.dequantize(), q.codes()
    pn.quantize(dy, "fp8", "dy", "wgrad")                  any operand of any GEMM of any of pn.recipes()
    pn.gemm(x, w, "te-current", accumulator="hopper-fp8")  sums as a tensor core keeps them

Arrays are NumPy's, or anything with __dlpack__ or __array__ (a PyTorch tensor in the CPU's memory, without PyTorch as a
dependency); results are NumPy's. float32, float64, float16 and bfloat16 (of ml_dtypes) go in. Contiguous arrays are not
copied; others are made so. Calls let other Python threads run and take threads of their own (set_num_threads), on which no
result depends. `precipice_numerics.torch` has linear layers for PyTorch.

What is wrong with an argument raises ConfigError (a ValueError), ValueError or TypeError, which name it and what is allowed.
The formulas and their sources: docs/NUMERICS.md, docs/RECIPES.md and docs/ACCUMULATORS.md of precipice.
"""
from ._arrays import get_num_threads, instruction_set, set_num_threads
from ._core import ConfigError, DataError
from ._core import version as __version__
from ._formats import Events, Format, cast, overflows, presets, roundings
from ._products import Linear, accumulators, gemm
from ._recipes import DelayedScales, Quantized, Quantizer, Recipe, quantize, recipes

__all__ = [
    "ConfigError", "DataError", "DelayedScales", "Events", "Format", "Linear", "Quantized", "Quantizer", "Recipe",
    "accumulators", "cast", "gemm", "get_num_threads", "instruction_set", "overflows", "presets", "quantize", "recipes",
    "roundings", "set_num_threads", "__version__",
]

for _name in __all__:  # help() and pickle name things as users do
    if hasattr(globals()[_name], "__module__"):
        globals()[_name].__module__ = __name__
