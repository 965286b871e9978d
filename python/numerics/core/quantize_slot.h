// SPDX-License-Identifier: Apache-2.0
// One operand of one GEMM through its quantizer, as precision/autograd has it for tensors.
#pragma once

#include <string>
#include <vector>

#include "precision/gemm/emulated_product.h"
#include "precision/gemm/gemm_plan.h"
#include "precision/policy/policy.h"
#include "precision/scaling/scale_states.h"
#include "python/numerics/core/core.h"

namespace precipice::python {

// The quantizer of a slot, and the axis of the tensor that its GEMM sums over.
struct SlotQuantizer {
  Quantizer quantizer;
  int contraction = 1;
  Slot slot = Slot::FpropX;
};
// Throws ConfigError for words that are none, and for an operand that the GEMM has not.
SlotQuantizer slot_quantizer(const SitePrecision& site, const std::string& gemm, const std::string& operand);
Pass parse_pass(const std::string& gemm);

// Delayed scales of earlier steps; none: they are at their initial values, as in a run's first step.
struct SlotStates {
  ScaleStates* states = nullptr;
  std::uint32_t site = 0;
  bool records = true;  // false: validation, which leaves them as they are
};

struct QuantizedMatrix {
  BlockGrid grid;
  std::vector<float> scales;       // grid.count(): what values of the grid are multiplied by
  std::vector<float> multipliers;  // as many: what elements were multiplied by
  EventCounts events;
  float outer = 1.0f;
  FloatFormat format;
};

// in, out: rows x cols, not overlapping unless equal; `packed` in place of `out` takes bf16 numbers. Throws ConfigError
// where blocks and shape do not fit.
struct MatrixTarget {
  float* values = nullptr;
  std::uint16_t* packed = nullptr;
};
QuantizedMatrix quantize_slot(const SlotQuantizer& slot, const float* in, std::int64_t rows, std::int64_t cols,
                              const MatrixTarget& out, const RandomKey& key, const SlotStates& states,
                              const Threads& threads);

}  // namespace precipice::python
