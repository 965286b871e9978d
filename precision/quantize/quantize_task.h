// SPDX-License-Identifier: Apache-2.0
// One matrix on its way through a quantizer, by as many threads as a loop gives it. Free of torch: quantize.h has the
// same for tensors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "precision/calls/matrix_numbers.h"
#include "precision/calls/result_quantum.h"
#include "precision/rounding/random_bits.h"
#include "precision/scaling/block_quantize.h"

namespace precipice {

// Whether the amax of the matrix is what its one scale follows from. Of a rotated matrix it is another.
bool scales_by_amax(const Quantizer& quantizer);

// Whether every scale is a power of two, or NaN, whatever the amaxes.
bool scales_are_powers_of_two(const Quantizer& quantizer);

// The part of NVFP4's dequantization scale that is the tensor's; 1 where every block's scale is its own. `amax`: of the
// matrix as it is rounded (EventCounts::amax).
float outer_scale_of(const Quantizer& quantizer, float amax);
bool has_outer_scale(const Quantizer& quantizer);  // else it is 1

class QuantizeTask {
 public:
  static constexpr std::int64_t kGrain = 32768;  // elements per task; a multiple of the 4 of a Philox block

  // Throws ConfigError as MatrixPlan does.
  QuantizeTask(const Quantizer& quantizer, const MatrixShape& shape, const ScaleState& state)
      : quantizer_(quantizer),
        plan_(quantizer, shape, state),
        shape_(shape),
        quantum_(quantizer.element.format),
        rotates_(quantizer.hadamard) {}

  const Quantizer& quantizer() const { return quantizer_; }
  const MatrixShape& shape() const { return shape_; }
  const BlockGrid& grid() const { return plan_.grid(); }

  // `amax`: of the whole matrix, where it is known and scales follow from it. parallel(items, grain, body) calls
  // body(begin, end), from any threads, for ranges of at least `grain` that cover 0 .. items - 1.
  template <class Parallel>
  EventCounts run(const float* in, const RandomKey& key, std::optional<float> amax, const MatrixOutputs& outputs,
                  const Parallel& parallel) {
    if (rotates_) {
      for_ranges(parallel,
                 [&](std::int64_t first, std::int64_t last) { plan_.rotate(in, outputs.values, first, last); });
      in = outputs.values;
    }
    if (amax)
      patterns_.assign(1, __builtin_bit_cast(std::int32_t, *amax));
    else
      measure_amaxes(in, parallel);
    plan_.finish_scales(patterns_.data(), outputs);
    EventCounts total;
    for_ranges(parallel, [&](std::int64_t first, std::int64_t last) {
      std::uint32_t smallest = ~0u;
      MatrixOutputs own = outputs;
      if (quantum_.depends_on_results()) own.smallest_result = &smallest;
      const EventCounts part = plan_.quantize_rows(in, first, last, key, own);
      const std::lock_guard<std::mutex> lock(mutex_);
      total += part;
      quantum_.record(smallest);
    });
    return total;
  }

  double quantum() const { return quantum_.value(); }
  // For a machine that quantizes in ways of its own: what is to be done, before anything is; and QuantizeCall's
  // smallest_result of its results.
  MatrixCall plain() const { return plan_.plain(); }
  bool quantum_depends_on_results() const { return quantum_.depends_on_results(); }
  // All that was found out, from the events of all rows and the scales as they were written.
  MatrixNumbers numbers(const EventCounts& events, const float* scales) const {
    const bool has_scale = is_one_scale(quantizer_.scaling) && shape_.rows > 0;
    return {events, has_scale ? *scales : 1.0f, outer_scale_of(quantizer_, events.amax), static_cast<float>(quantum())};
  }
  void record(std::uint32_t smallest_result) { quantum_.record(smallest_result); }

 private:
  // Ranges of whole steps of rows, of about kGrain elements. Counts add up and amaxes are maxima, so nothing depends on
  // how rows are cut.
  template <class Parallel, class Body>
  void for_ranges(const Parallel& parallel, const Body& body) const {
    const std::int64_t rows = shape_.rows, step = plan_.row_step(), steps = (rows + step - 1) / step;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, step * shape_.cols));
    parallel(steps, grain,
             [&](std::int64_t begin, std::int64_t end) { body(begin * step, std::min(rows, end * step)); });
  }

  template <class Parallel>
  void measure_amaxes(const float* in, const Parallel& parallel) {
    patterns_.assign(static_cast<std::size_t>(plan_.measured_size()), 0);
    if (patterns_.empty()) return;
    for_ranges(parallel, [&](std::int64_t first, std::int64_t last) {
      std::vector<std::int32_t> part(patterns_.size(), 0);
      plan_.measure_amaxes(in, first, last, part.data());
      const std::lock_guard<std::mutex> lock(mutex_);
      for (std::size_t i = 0; i < part.size(); ++i) patterns_[i] = std::max(patterns_[i], part[i]);
    });
  }

  const Quantizer& quantizer_;  // outlives this object
  MatrixPlan plan_;
  MatrixShape shape_;
  ResultQuantum quantum_;
  bool rotates_;
  std::vector<std::int32_t> patterns_;
  std::mutex mutex_;
};

}  // namespace precipice
