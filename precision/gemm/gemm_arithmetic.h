// SPDX-License-Identifier: Apache-2.0
// How the product of two quantized operands is summed, scaled and rounded, as data; gemm.h does it.
#pragma once

#include "precision/accumulator/accumulator.h"
#include "precision/gemm/carrier.h"
#include "precision/gemm/gemm_plan.h"
#include "precision/rounding/element_quantizer.h"

namespace precipice {

struct GemmArithmetic {
  Accumulator accumulator;
  ScalesAct scales = ScalesAct::Sums;
  ElementQuantizer output;
  Carrier carrier = Carrier::Auto;
  bool operator==(const GemmArithmetic&) const = default;
};

}  // namespace precipice
