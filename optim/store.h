// SPDX-License-Identifier: Apache-2.0
// Keeping an array: its values become the nearest (or randomly nearest) ones that a StoredFormat can hold,
//   scale = rule(amax),  q = round(x * scale),  x = q * (1 / scale)
// in fp32, per tensor or per block of consecutive elements. What overflows an unscaled format becomes the format's own
// infinity or NaN, as a cast does; under a scale finite values saturate. Infinities and NaNs stay visible either way.
#pragma once

#include <cstddef>
#include <vector>

#include "optim/multi_tensor/multi_tensor.h"
#include "optim/optimizer_machine.h"
#include "optim/stored_format.h"
#include "precision/rounding/element_quantizer.h"
#include "precision/rounding/random_bits.h"

namespace precipice {

// Operands of kStorageStream (precision/rounding/random_streams.h), from which stochastic rounding draws; its sites are
// the parameters.
enum class StoredOperand : std::uint16_t { Weights, Moment1, Moment2, Gradients };

// How an element is rounded, under its scale.
ElementQuantizer element_of(const StoredFormat& stored);

// scales: format.scales(values.size) of them; read for `previous` by MsAmp, then written. Under an infinite scale,
// MS-AMP's of an amax below max_finite 2^-128, every value becomes NaN, as MS-AMP's fp16 does.
void store(FloatSpan values, const StoredFormat& format, FloatSpan scales, const RandomKey& key);

// What is kept of one kind for every parameter (all weights, all first moments, ...), with its scales.
class StoredArrays {
 public:
  // values[t] belongs to parameter t; the memory is the caller's, and the machine's.
  StoredArrays(const StoredFormat& format, StoredOperand operand, std::vector<FloatSpan> values, std::uint64_t seed,
               const OptimizerMachine& machine = cpu_optimizer_machine());
  const StoredFormat& format() const { return format_; }
  // Array t as update number `update` leaves it, if a gate in the machine's memory is open.
  // `update_at`: where the machine's memory has `update`, for RandomKey, or null.
  void store(std::size_t t, std::int64_t update, const UpdateGate* gate = nullptr,
             const std::uint32_t* update_at = nullptr);
  // To nearest whatever the format's rounding: the start of training, where torch casts the model.
  void store_nearest(std::size_t t);
  // One span per parameter; without scales all of them are empty.
  std::vector<FloatSpan> scales();

 private:
  FloatSpan scales(std::size_t t);

  StoredFormat format_;
  StoredOperand operand_;
  std::vector<FloatSpan> values_;
  std::vector<MachineArray> scales_;
  std::uint64_t seed_;
  const OptimizerMachine* machine_;
};

}  // namespace precipice
