// SPDX-License-Identifier: Apache-2.0
// A Quantizer applied to a tensor that is an operand of a GEMM. It yields values on the element's grid and the
// scales that take them back, in the operand's own orientation: rows, then the contraction. Events are counted in the
// same pass.
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/calls/factor.h"
#include "precision/calls/matrix_numbers.h"
#include "precision/rounding/random_bits.h"
#include "precision/scaling/block_quantize.h"

namespace precipice {

// Which axis of a tensor the GEMM sums over.
enum class Contraction : std::uint8_t { LastAxis, AxisBefore };

struct Quantized {
  // (..., rows, K) on the element's grid, fp32 or bf16; a view when the contraction is the axis before
  at::Tensor values;
  float scale = 1.0f;  // what values are multiplied by to come back, when `scales` is undefined
  at::Tensor scales;   // (..., grid rows, grid K): one such scale per block
  std::int64_t block_rows = 1, block_k = 1;
  bool powers_of_two = false;  // `scales` are, by their rule
  float outer = 1.0f;          // NVFP4: the part of every scale that belongs to the whole tensor
  float quantum = 0.0f;        // of the element's grid at its finest
  FloatFormat format;          // the element's; fp32 where nothing was rounded
  EventCounts events;          // total = 0 when nothing was rounded

  // Of a tensor on a device: MatrixNumbers in its memory, as bytes; undefined where nothing was rounded. There the events
  // are and, where a pointer is not null, scale, outer and quantum, until know_numbers().
  at::Tensor numbers;
  const float *scale_at = nullptr, *outer_at = nullptr, *quantum_at = nullptr;  // quantum: times `quantum`
  at::Tensor scale_range;  // where scales were multiplied in (operand_scales.h): theirs, a ScaleRange as bytes

  Factor scale_factor() const { return scale_at == nullptr ? Factor{scale} : Factor{1.0f, scale_at}; }
  Factor outer_factor() const { return outer_at == nullptr ? Factor{outer} : Factor{1.0f, outer_at}; }
  Factor quantum_factor() const { return {quantum, quantum_at}; }
  // Where EventCounts::amax of x lies, beside x, while this object lives; null where nothing was rounded.
  const float* amax() const;
  void know_numbers();  // all on the host too: waits for a device

  Quantized widened() const;     // values in fp32
  Quantized transposed() const;  // for a GEMM that sums over the other axis; where the scales allow it
};

struct QuantizeOptions {
  bool as_bf16 = false;  // values in half the memory, for an element that fits_bf16
  bool count = true;     // false: of the events only total and amax are wanted
  // Quantized::amax() of the same x, or null: spares a scale of the whole tensor a pass.
  const float* amax = nullptr;
};

// x: fp32, any strides, at least 2-D. Stochastic rounding: element e of x in row-major order uses word e of key's
// stream; but batches of matrices whose contraction is the axis before the last are numbered in transposed order. The
// identity returns x. `state`: what a delayed scale depends on. Throws ConfigError where block and shape do not fit.
Quantized quantize(const at::Tensor& x, const Quantizer& quantizer, Contraction contraction, const RandomKey& key,
                   const ScaleState& state = {}, QuantizeOptions options = {});

// Whether one quantization serves both contractions of a tensor: no axis is special, and no random words are drawn,
// which each use of a tensor has of its own.
bool serves_both_contractions(const Quantizer& quantizer);

// to = from, fp32. Heads that lie within rows of several heads go row by row, which ATen's general loop is slow at.
void copy_into(const at::Tensor& to, const at::Tensor& from);

// Largest magnitude of a tensor; NaN if there is a NaN.
float amax_of(const at::Tensor& x);

// Rounds scale * x in place: the output of a matmul. x is fp32, and contiguous or such that can_round_in_place.
void round_output(const at::Tensor& x, const Factor& scale, const ElementQuantizer& element, const RandomKey& key);

// Whether elements of x can be rounded where they are: they lie in long rows, and no random words are numbered by their
// order.
bool can_round_in_place(const at::Tensor& x, const ElementQuantizer& element);

}  // namespace precipice
