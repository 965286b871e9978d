// SPDX-License-Identifier: Apache-2.0
// From amax to scale, operation by operation as each peer has it; every operation is one of binary32. An element is
// multiplied by `multiply` before rounding (deepseek: divided by it) and its grid value by `inverse` to come back.
//   te         common/recipe/recipe_common.cuh; NVFP4: custom_recipes/reference_nvfp4.py, dequantize_nvfp4.cuh; MX:
//              tests/cpp/operator/test_cast_mxfp8.cu
//   torchao    float8/float8_utils.py, prototype/mx_formats/{mx_tensor,nvfp4_tensor}.py,
//              prototype/blockwise_fp8_training/kernels.py
//   microxcaling mx/mx_ops.py;  deepgemm deep_gemm/utils/math.py;  ms-amp common/tensor/meta.py
#pragma once

#include "precision/rounding/round_to_format.h"
#include "precision/scaling/quantizer.h"

namespace precipice {

struct BlockScale {
  float multiply = 1.0f;
  float inverse = 1.0f;
};

// A Quantizer reduced to what its scale rule needs, once per matrix.
struct ScaleConstants {
  Arithmetic arithmetic;
  ScaleRule rule;
  float max;             // the element's largest value
  float reciprocal_max;  // fl(1 / max)
  int emax, mantissa_bits;
  bool is_of_blocks, power_of_two, through_bf16, two_level, rounded_log2_mxfp4, exponent_bump;
  double floor;          // of amax
  int block_scale_max;   // NVFP4: 448 or 256
  FormatConstants e4m3;  // of NVFP4's block scales
  float previous_scale;  // ms-amp
};
ScaleConstants prepare_scales(const Quantizer& quantizer, float previous_scale = 1.0f);

// NVFP4's outer scale, of a tensor or row with this amax.
struct OuterScale {
  float amax = 0.0f;
  float encode = 1.0f;  // te: Senc;  torchao: p
  float decode = 1.0f;  // te: D;  torchao: fl(1 / p)
};
OuterScale outer_scale(const ScaleConstants& constants, float amax);

// The scale of a block, row or tensor with this amax (NaN if any element is, unless ignores_nan). `outer` is for NVFP4.
BlockScale scale_of(const ScaleConstants& constants, float amax, const OuterScale& outer = {});

// The same for many blocks, with the choice of the rule outside the loop.
void scales_of(const ScaleConstants& constants, const float* amaxes, int count, const OuterScale& outer,
               float* multiply, float* inverse);

// TransformerEngine's NVFP4 with the E4M3 block scales nearest to wanted[i], at most 448.
void te_nvfp4_scales(const ScaleConstants& constants, const float* wanted, int count, const OuterScale& outer,
                     float* block_scales, float* multiply, float* inverse);

// Whether amax passes over NaN elements, so that one does not spoil its block: te with E8M0 scales.
bool ignores_nan(const ScaleConstants& constants);

}  // namespace precipice
