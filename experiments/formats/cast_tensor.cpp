// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/cast_tensor.h"

#include <fmt/format.h>

#include <vector>

#include "experiments/console/descriptor_io.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

// Fills `bytes` or says how far the input went.
void read_whole(int input, void* bytes, std::size_t size, std::int64_t step) {
  auto* at = static_cast<char*>(bytes);
  std::size_t done = 0;
  while (done < size) {
    const std::size_t got = read_some(input, at + done, size - done);
    if (got == 0)
      throw DataError(fmt::format("standard input ends in tensor {} after {} of {} bytes", step, done, size));
    done += got;
  }
}

void read_values(int input, const CastTensorSpec& spec, std::int64_t step, std::vector<float>& values) {
  if (!spec.bf16_input) return read_whole(input, values.data(), values.size() * sizeof(float), step);
  std::vector<std::uint16_t> halves(values.size());
  read_whole(input, halves.data(), halves.size() * sizeof(std::uint16_t), step);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = __builtin_bit_cast(float, static_cast<std::uint32_t>(halves[i]) << 16);
}

}  // namespace

bool cast_tensors(int input, int output, const CastTensorSpec& spec,
                  const std::function<void(std::string_view)>& scales) {
  const Quantizer& q = spec.quantizer;
  const std::size_t size = static_cast<std::size_t>(spec.shape.rows * spec.shape.cols);
  const std::size_t blocks = static_cast<std::size_t>(block_grid(q, spec.shape).count());
  std::vector<float> values(size), result(size), block_scales(blocks, 1.0f), multipliers(blocks, 1.0f);
  const auto* delayed = q.scaling_if<DelayedScaling>();
  const float max_finite = q.element.format.max_finite();
  DelayedScale history = delayed != nullptr ? initial_scale(delayed->rule) : DelayedScale{};
  for (std::int64_t step = 0; step < spec.steps; ++step) {
    read_values(input, spec, step, values);
    RandomKey key = spec.key;
    key.step += static_cast<std::uint32_t>(step);
    ScaleState state;
    if (delayed != nullptr)
      state.delayed =
          scale_now(history, delayed->rule, amax(values.data(), static_cast<std::int64_t>(size)), max_finite);
    if (q.is_identity()) {
      result = values;
    } else {
      const EventCounts events = quantize_matrix(values.data(), spec.shape, q, key,
                                                 {result.data(), block_scales.data(), multipliers.data()}, state);
      if (delayed != nullptr) update(history, delayed->rule, events.amax, max_finite);
      if (!spec.grid)
        dequantize_matrix(result.data(), spec.shape, q, block_scales.data(), multipliers.data(), result.data());
    }
    if (scales) scales({reinterpret_cast<const char*>(block_scales.data()), blocks * sizeof(float)});
    if (!write_whole(output, result.data(), size * sizeof(float))) return false;
  }
  char extra = 0;
  if (read_some(input, &extra, 1) != 0)
    throw DataError(fmt::format("standard input goes on after {} tensors of {} x {} values", spec.steps,
                                spec.shape.rows, spec.shape.cols));
  return true;
}

}  // namespace precipice
