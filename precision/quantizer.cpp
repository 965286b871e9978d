// SPDX-License-Identifier: Apache-2.0
#include "precision/quantizer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>

#include <mutex>

#include "precision/check.h"
#include "precision/device.h"

namespace precipice {
namespace {

constexpr std::int64_t kGrain = 32768;  // elements per task; a multiple of the 4 of a Philox block

QuantizeSpec spec_of(const QuantizerConfig& config) {
  return {config.format, config.rounding, config.overflow, config.random_bits, config.through_bf16};
}

// Counts add up and amax is a maximum, so neither depends on how the tensor is cut.
EventCounts quantize_parallel(const float* in, float* out, std::int64_t size, const QuantizeSpec& spec, float scale,
                              const RandomKey& key) {
  EventCounts total;
  if (size <= kGrain) {
    quantize(in, out, size, spec, scale, key, 0, total);
    return total;
  }
  std::mutex mutex;
  at::parallel_for(0, size, kGrain, [&](std::int64_t begin, std::int64_t end) {
    EventCounts part;
    quantize(in + begin, out + begin, end - begin, spec, scale, key, static_cast<std::uint64_t>(begin), part);
    const std::lock_guard<std::mutex> lock(mutex);
    total += part;
  });
  return total;
}

float choose_scale(const at::Tensor& x, const QuantizerConfig& config) {
  switch (config.scaling.kind) {
    case Scaling::Kind::None:
      return 1.0f;
    case Scaling::Kind::Fixed:
      return config.scaling.fixed;
    case Scaling::Kind::CurrentTensor:
      break;
  }
  return current_scale(amax(x.const_data_ptr<float>(), x.numel()), config.format.max_finite(),
                       config.scaling.power_of_two);
}

}  // namespace

Quantized quantize(const at::Tensor& x, const QuantizerConfig& config, const RandomKey& key) {
  PRECIPICE_CHECK(x.scalar_type() == at::kFloat, "quantizers take fp32 tensors, got ", x.scalar_type());
  if (config.is_identity()) return {x, 1.0f, {}};
  check_device(x);
  const at::Tensor source = x.contiguous();
  // A strided x was copied just now: round the copy in place.
  at::Tensor values = source.is_same(x) ? at::empty_like(x) : source;
  const float scale = choose_scale(source, config);
  Quantized result{values, 1.0f / scale, {}};
  result.events = quantize_parallel(source.const_data_ptr<float>(), values.mutable_data_ptr<float>(), source.numel(),
                                    spec_of(config), scale, key);
  return result;
}

EventCounts round_output(at::Tensor& x, float scale, const QuantizerConfig& config, const RandomKey& key) {
  PRECIPICE_CHECK(x.is_contiguous() && config.scaling.kind == Scaling::Kind::None,
                  "outputs are rounded in place, unscaled");
  if (config.is_identity()) {
    if (scale != 1.0f) x.mul_(scale);
    return {};
  }
  check_device(x);
  return quantize_parallel(x.const_data_ptr<float>(), x.mutable_data_ptr<float>(), x.numel(), spec_of(config), scale,
                           key);
}

}  // namespace precipice
