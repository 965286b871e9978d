// SPDX-License-Identifier: Apache-2.0
#include "optim/store.h"

#include <algorithm>
#include <utility>

#include "precision/base/check.h"
#include "precision/kernels/quantize_kernels.h"
#include "precision/rounding/random_streams.h"
#include "precision/scaling/scale_formulas.h"

namespace precipice {
namespace {

float next_scale(const StoredFormat& stored, float amax, float previous) {
  const ScaleEnds ends{.amax = amax, .max_finite = stored.format.max_finite()};
  if (stored.rule == StoredScaling::MsAmp) return ms_amp_scale(ends, previous);
  return te_current_scale(ends, stored.rule == StoredScaling::CurrentPowerOfTwo);
}

}  // namespace

ElementQuantizer element_of(const StoredFormat& stored) {
  return {.format = stored.format,
          .rounding = stored.rounding,
          .overflow = stored.rule != StoredScaling::None ? Overflow::Propagate : Overflow::Native};
}

void store(FloatSpan values, const StoredFormat& stored, FloatSpan scales, const RandomKey& key) {
  PRECIPICE_CHECK(scales.size == stored.scales(values.size), scales.size, " scales for ", values.size, " values");
  if (stored.format.is_fp32()) return;
  const bool scaled = stored.rule != StoredScaling::None;
  const ElementQuantizer spec = element_of(stored);
  EventCounts counts;
  const std::int64_t block = stored.block == 0 ? values.size : stored.block;
  for (std::int64_t begin = 0, b = 0; begin < values.size; begin += block, ++b) {
    const std::int64_t end = std::min(begin + block, values.size);
    float scale = 1.0f;
    if (scaled) {
      scale = next_scale(stored, amax(values.data + begin, end - begin), scales.data[b]);
      scales.data[b] = scale;
    }
    const float inverse = 1.0f / scale;
    for (std::int64_t at = begin; at < end; at += kChunkSize) {
      float* data = values.data + at;
      const std::int64_t size = std::min(kChunkSize, end - at);
      quantize(data, data, size, spec, scale, key, static_cast<std::uint64_t>(at), counts);
      if (scale == 1.0f) continue;
      for (std::int64_t i = 0; i < size; ++i) data[i] *= inverse;
    }
  }
}

StoredArrays::StoredArrays(const StoredFormat& format, StoredOperand operand, std::vector<FloatSpan> values,
                           std::uint64_t seed, const OptimizerMachine& machine)
    : format_(format), operand_(operand), values_(std::move(values)), seed_(seed), machine_(&machine) {
  for (const FloatSpan& span : values_) scales_.emplace_back(machine, format_.scales(span.size), 1.0f);
}

void StoredArrays::store(std::size_t t, std::int64_t update, const UpdateGate* gate, const std::uint32_t* update_at) {
  RandomKey key =
      random_key(kStorageStream, seed_, static_cast<std::uint32_t>(update), t, static_cast<std::uint16_t>(operand_));
  key.step_at = update_at;
  machine_->store(values_[t], format_, scales(t), key, gate);
}

void StoredArrays::store_nearest(std::size_t t) {
  StoredFormat nearest = format_;
  nearest.rounding = Rounding::NearestEven;
  machine_->store(values_[t], nearest, scales(t), {}, nullptr);
}

FloatSpan StoredArrays::scales(std::size_t t) {
  return scales_[t].span();
}

std::vector<FloatSpan> StoredArrays::scales() {
  std::vector<FloatSpan> spans;
  for (std::size_t t = 0; t < scales_.size(); ++t) spans.push_back(scales(t));
  return spans;
}

}  // namespace precipice
