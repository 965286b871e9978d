// SPDX-License-Identifier: Apache-2.0
// A MatrixPlan (block_quantize.h) as plain data, for machines that quantize in ways of their own: what the amaxes are of,
// how scales follow from them and how elements are rounded. Trivially copyable, so that a kernel can take it.
#pragma once

#include <cstdint>

#include "precision/kernels/block_kernels.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/scaling/quantizer.h"
#include "precision/scaling/scale_rules.h"

namespace precipice {

struct MatrixCall {
  // What has an outer scale of NVFP4.
  enum class Outer : std::uint8_t { None, Matrix, Rows, Columns };
  // Whose subnormal blocks become zero: nobody's, or those whose exponent is below -126 by its bits, by the rounded
  // logarithm, or by that in bf16.
  enum class Flush : std::uint8_t { None, Bits, Log2, Bf16Log2 };

  // Elements that peers round in ways of their own (block_kernels.h), or as the format says.
  enum class Element : std::uint8_t { General, Microxcaling, DeepGemmFp4 };

  MatrixShape shape;
  BlockGrid grid;
  ScaleConstants scales;
  QuantizeCall elements;      // without arrays and places; element (r, c) uses the random word of r cols + c
  bool rotates;               // a Hadamard transform along the contraction first
  bool rotates_through_bf16;  // in bf16
  bool is_fixed;              // one scale is known: `fixed` multiplies
  float fixed;
  bool is_one_amax;  // of the whole matrix, which its one scale follows from
  Outer outer;
  bool passes_over_nan;   // a NaN does not spoil its block's amax
  bool is_zero_positive;  // a product that is -0 counts as +0
  bool has_stand_in;      // for results that are NaN: `stand_in`
  float stand_in;
  Flush flush;
  FourOverSix four_over_six;
  Element element;
  MicroxcalingElement microxcaling;
  bool products_through_bf16;  // microxcaling: in bf16 arithmetic
};

}  // namespace precipice
