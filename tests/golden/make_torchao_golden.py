#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What torchao's quantizers give for small tensors, bit for bit: tensorwise and rowwise float8, MX with every scale rule,
NVFP4 with and without a tensor scale. Run by scripts/torchao_goldens; the tests need only the JSON file.

    python tests/golden/make_torchao_golden.py > tests/golden/torchao.json

A tensor is the hexadecimal of its binary32 patterns, a block or row that is skipped has a 1 in `skipped`. Skipped is
what torchao 0.18.0 does differently from its development version, whose arithmetic the recipes have: MX blocks with
E8M0 code 0 that are not zero, blocks with an infinity, and rceil blocks whose amax is within 64 ulp above max * 2^k,
where the rounded logarithm of 0.18.0 decides.
"""
import json
import math
import sys

import torch
import torchao
from torchao.float8.config import ScalingGranularity
from torchao.float8.float8_scaling_utils import hp_tensor_to_float8_dynamic
from torchao.float8.float8_training_tensor import LinearMMConfig
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.constants import DTYPE_FP6_E2M3, DTYPE_FP6_E3M2
from torchao.prototype.mx_formats.mx_tensor import get_fp_scale, to_dtype, to_mx
from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

ROWS, COLS = 2, 64
ELEMENTS = {"e4m3": (torch.float8_e4m3fn, 448.0), "e5m2": (torch.float8_e5m2, 57344.0), "e2m3": (DTYPE_FP6_E2M3, 7.5),
            "e3m2": (DTYPE_FP6_E3M2, 28.0), "e2m1": (torch.float4_e2m1fn_x2, 6.0)}


def inputs():
    """Seeded tensors: ordinary, heavy-tailed, outlier columns, and every kind of edge."""
    generator = torch.Generator().manual_seed(20)
    normal = lambda: torch.randn(ROWS, COLS, generator=generator)
    outliers = normal()
    outliers[:, 3::16] *= 128
    sparse = normal()
    sparse[:, :32] = 0.0
    sparse[1, 5], sparse[1, 40:] = -0.0, -0.0
    subnormal = normal() * 2.0**-128
    subnormal[0, 32:] = normal()[0, 32:]
    special = normal()
    special[0, 7], special[1, 40], special[1, 1] = math.nan, math.inf, -math.inf
    edges = torch.tensor([m * 2.0**k for k in (-3, 0, 5) for m in (448.0, 57344.0, 28.0, 7.5, 6.0, 1.75, 1.9375, 1.0)])
    edges = edges.repeat(ROWS * COLS // edges.numel() + 1)[:ROWS * COLS].view(torch.int32)
    edges = edges + torch.randint(-3, 4, edges.shape, generator=generator, dtype=torch.int32)
    return {"normal": normal(), "heavy tails": normal()**5, "outlier columns": outliers, "zeros": sparse,
            "tiny": normal() * 2.0**-118, "huge": normal() * 2.0**120, "subnormal": subnormal,
            "nan and inf": special, "edges": edges.view(torch.float32).view(ROWS, COLS).contiguous(),
            "powers of two": 2.0**torch.randint(-20, 20, (ROWS, COLS), generator=generator).float(),
            "bf16": normal().bfloat16().float()}


def hexadecimal(x):
    return "".join(f"{word & 0xFFFFFFFF:08x}" for word in x.contiguous().flatten().view(torch.int32).tolist())


def case(recipe, element, kind, dequantized, scales, skipped=None):
    if skipped is None:
        skipped = torch.zeros_like(scales, dtype=torch.bool)
    return {"recipe": recipe, "element": element, "input": kind, "dequantized": hexadecimal(dequantized.float()),
            "scales": hexadecimal(scales.float()), "skipped": "".join(str(int(s)) for s in skipped.flatten())}


def just_above_a_power(amax, largest):
    """Within 64 ulp above largest * 2^k."""
    mantissa = lambda v: v.view(torch.int32) & 0x7FFFFF
    above = mantissa(amax) - mantissa(torch.full_like(amax, largest))
    return (above > 0) & (above <= 64)


def mx_cases(kind, x):
    amax = x.view(ROWS, -1, 32).abs().amax(-1)
    for mode in ScaleCalculationMode:
        for element, (dtype, largest) in ELEMENTS.items():
            scale, data = to_mx(x, dtype, 32, mode)
            skipped = (scale.view(torch.uint8) == 0) & (amax != 0) | torch.isinf(amax)
            if mode == ScaleCalculationMode.EVEN:
                skipped |= torch.isfinite(amax) & (amax >= 1.75 * 2.0**127)  # rounds to infinity
            if mode == ScaleCalculationMode.RCEIL:
                skipped |= just_above_a_power(amax, largest)
            yield case(f"mx-{mode.value}", element, kind, to_dtype(data, scale, dtype, 32, torch.float32),
                       get_fp_scale(scale), skipped)


def float8_cases(kind, x):
    config = LinearMMConfig()
    for element in ("e4m3", "e5m2"):
        tensor = hp_tensor_to_float8_dynamic(x, ELEMENTS[element][0], config)
        yield case("tensorwise", element, kind, tensor.to_original_precision(), tensor._scale)
    for pow2 in (False, True):
        for axis in (-1, 0):
            tensor = hp_tensor_to_float8_dynamic(x, torch.float8_e4m3fn, config, axiswise_dim=axis,
                                                 scaling_granularity=ScalingGranularity.AXISWISE,
                                                 round_scales_to_power_of_2=pow2)
            name = f"{'rows' if axis == -1 else 'columns'}{'-pow2' if pow2 else ''}"
            yield case(name, "e4m3", kind, tensor.to_original_precision(), tensor._scale)


def nvfp4_cases(kind, x):
    for name, outer in (("nvfp4", per_tensor_amax_to_scale(x.abs().amax())), ("nvfp4-one-level", None)):
        tensor = NVFP4Tensor.to_nvfp4(x, 16, outer)
        yield case(name, "e2m1", kind, tensor.dequantize(torch.float32), tensor.get_hp_scales())


def main():
    tensors = inputs()
    cases = [c for kind, x in tensors.items() for make in (mx_cases, float8_cases, nvfp4_cases) for c in make(kind, x)]
    golden = {"torchao": torchao.__version__, "torch": torch.__version__.split("+")[0], "rows": ROWS, "cols": COLS,
              "inputs": {kind: hexadecimal(x) for kind, x in tensors.items()}, "cases": cases}
    json.dump(golden, sys.stdout, indent=0, separators=(",", ":"))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
