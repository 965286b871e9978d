// SPDX-License-Identifier: Apache-2.0
// Rounding by pieces, for who makes or reads a tensor piece by piece anyway and has each in the cache: the bits of
// quantize() and round_output() without a pass over memory of its own.
#pragma once

#include <optional>

#include "precision/calls/result_quantum.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/scaling/quantizer.h"

namespace precipice {

// round_output() of pieces of an array.
class PieceRounder {
 public:
  // The identity only multiplies.
  explicit PieceRounder(const ElementQuantizer& element, float scale = 1.0f, const RandomKey& key = {});
  // The same under another scale.
  PieceRounder with_scale(float scale) const;
  // Elements begin .. begin + size - 1 of `data`; random words are numbered by their places.
  void round(float* data, std::int64_t begin, std::int64_t size) const;
  // What round() does, for a machine that does it elsewhere; nothing where nothing is rounded.
  std::optional<QuantizeCall> call(float* data, std::int64_t begin, std::int64_t size) const;

 private:
  bool rounds_, is_identity_;
  QuantizeCall call_;
};

// quantize() of pieces, in any order.
class PieceQuantizer {
 public:
  // Whether elements know nothing of each other, and of no order: unscaled, without random words, rounded as every
  // arithmetic rounds.
  static bool serves(const Quantizer& quantizer);
  explicit PieceQuantizer(const Quantizer& quantizer);

  // To numbers on the element's grid; `packed`: as bf16, for an element that fits_bf16.
  void run(const float* in, std::int64_t size, float* out);
  void run(const float* in, std::int64_t size, std::uint16_t* packed);
  // What all results are multiples of, as Quantized::quantum; of bf16 results only.
  double quantum() const { return quantum_.value(); }

 private:
  void run(QuantizeCall call, const float* in, std::int64_t size);

  QuantizeCall call_;
  ResultQuantum quantum_;
};

}  // namespace precipice
