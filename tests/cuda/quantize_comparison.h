// SPDX-License-Identifier: Apache-2.0
// The quantize kernels against the host's array loops (precision/kernels/quantize_kernels.h), bit for bit, events
// included.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/cuda/kernels_under_test.h"
#include "tests/precision/rounding/support.h"

namespace precipice::test {

inline const std::vector<std::int64_t> kArraySizes = {0, 1, 31, 32, 33, 127, 128, 129, 130, 4097};

inline bool same_counts(const EventCounts& a, const EventCounts& b) {
  return a.total == b.total && a.nan_in == b.nan_in && a.saturated == b.saturated && a.overflowed == b.overflowed &&
         a.underflowed == b.underflowed && a.subnormal == b.subnormal && bits_of(a.amax) == bits_of(b.amax);
}

// The edges of a format and of binary32, then patterns at random, half of them near the format's range.
template <class Float>
std::vector<Float> quantize_inputs(const FloatFormat& format, std::int64_t size) {
  std::vector<float> edges = {0.0f,
                              1.0f,
                              0x1p-149f,
                              0x1p-127f,
                              0x1p-126f,
                              std::numeric_limits<float>::max(),
                              std::numeric_limits<float>::infinity(),
                              float_of(0x7FC00000u),
                              float_of(0x7FA00001u)};
  for (const float edge : {format.max_finite(), format.min_normal(), format.min_positive()}) {
    for (const float near : {edge, std::nextafter(edge, 0.0f), std::nextafter(edge, INFINITY), edge / 2, edge * 1.5f})
      edges.push_back(near);
  }
  Stream stream{static_cast<std::uint64_t>(size) + 1};
  std::vector<Float> values;
  for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
    const std::uint32_t random = stream.next();
    float x = float_of(random);
    // The order of the edges changes from size to size, so that each of them meets each place of a tail.
    if (i < 2 * edges.size()) {
      const float edge = edges[(i + static_cast<std::size_t>(size)) % edges.size()];
      x = (random & 1) != 0 ? -edge : edge;
    } else if ((random & 1) != 0) {
      x = format.max_finite() * static_cast<float>(random >> 8) * 0x1.3p-24f;
    }
    // Beyond binary32's precision and range, where Float has more.
    if constexpr (std::is_same_v<Float, double>) {
      values.push_back(i % 5 == 4 ? static_cast<double>(x) * (1 + 0x1p-40) * 0x1p200
                                  : static_cast<double>(x) * (1 + (i % 3 == 1 ? 0x1p-45 : 0.0)));
    } else {
      values.push_back(x);
    }
  }
  return values;
}

struct QuantizeCase {
  ElementQuantizer spec;
  float scale = 1.0f;
  RandomKey key;
  std::uint64_t first_element = 0;
  bool in_place = false;
};

// A NaN that the multiplication makes (infinity * 0) may be any; every other result has the host's bits.
template <class Float>
bool agrees(Float in, float scale, float device, float host) {
  const bool made_nan = in == in && std::isnan(in * static_cast<Float>(scale));
  return made_nan ? is_nan(device) && is_nan(host) : bits_of(device) == bits_of(host);
}

template <class Float>
void compare_quantize(const Kernels& kernels, const std::vector<Float>& in, const QuantizeCase& c, Launch launch) {
  const auto size = static_cast<std::int64_t>(in.size());
  std::vector<float> expected(in.size());
  EventCounts expected_counts;
  quantize(in.data(), expected.data(), size, c.spec, c.scale, c.key, c.first_element, expected_counts);

  const std::size_t shift = in.size() % 3;
  DeviceArray<Float> device_in(kernels, in, shift);
  DeviceArray<float> device_out(kernels, std::vector<float>(in.size(), -7.0f), shift + 1);
  EventCounts counts;
  std::vector<float> out;
  if constexpr (std::is_same_v<Float, double>) {
    const auto call = prepare_call(device_in.data(), device_out.data(), size, c.spec, c.scale, c.key, c.first_element);
    require_done(kernels.quantize->quantize_wide(call, launch, counts));
    out = device_out.contents();
  } else {
    DeviceArray<float>& to = c.in_place ? device_in : device_out;
    const auto call = prepare_call(device_in.data(), to.data(), size, c.spec, c.scale, c.key, c.first_element);
    require_done(kernels.quantize->quantize(call, launch, counts));
    out = to.contents();
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < in.size(); ++i) wrong += !agrees(in[i], c.scale, out[i], expected[i]);
  INFO(to_string(c.spec.format) << " " << to_string(c.spec.rounding) << " " << to_string(c.spec.overflow) << " size "
                                << size << " first element " << c.first_element << " launch " << launch.blocks << "x"
                                << launch.threads);
  CHECK(wrong == 0);
  CHECK(same_counts(counts, expected_counts));
}

// Every preset and every kind of format in every mode; policies, scales, bits and shapes take turns.
template <class Float>
void compare_all_formats(const Kernels& kernels) {
  std::vector<FloatFormat> formats;
  for (const PresetFormat& preset : preset_formats()) formats.push_back(preset.format);
  for (const std::string& name : kSmallFormats) formats.push_back(parse_float_format(name));
  std::size_t turn = 0;
  for (const FloatFormat& format : formats) {
    for (const Rounding rounding : all_roundings()) {
      for (const std::int64_t size : kArraySizes) {
        ++turn;
        QuantizeCase c;
        c.spec = {format, rounding, kOverflows[turn % 3],
                  is_stochastic(rounding) ? static_cast<int>(turn % 32) + 1 : 32,
                  std::is_same_v<Float, float> && turn % 5 == 0};
        c.scale = std::vector<float>{1.0f, 0x1p4f, 0.3f, 0.0f}[turn / 3 % 4];
        c.key = {turn * 0x9E3779B97F4A7C15u, static_cast<std::uint32_t>(turn), 7, 3};
        c.first_element = turn % 7;
        c.in_place = turn % 2 == 0;
        compare_quantize(kernels, quantize_inputs<Float>(format, size), c, kLaunches[turn % kLaunches.size()]);
      }
    }
  }
}

// Every size up to 130 from every place in a block of the random stream, and from its far end, with every shape.
inline void compare_tails(const Kernels& kernels) {
  QuantizeCase c;
  c.spec = {parse_float_format("e5m2"), Rounding::Stochastic, Overflow::Native, 16, false};
  for (std::int64_t size = 0; size <= 130; ++size) {
    const std::vector<float> in = quantize_inputs<float>(c.spec.format, size);
    for (const std::uint64_t offset : {0u, 1u, 2u, 3u}) {
      c.first_element = size % 2 == 0 ? offset : (std::uint64_t{1} << 50) - 200 + offset;
      c.in_place = size % 3 == 0;
      for (const Launch launch : kLaunches) compare_quantize(kernels, in, c, launch);
    }
  }
}

inline void compare_amax(const Kernels& kernels) {
  for (const std::int64_t size : kArraySizes) {
    std::vector<float> in(static_cast<std::size_t>(size));
    Stream stream{9};
    for (float& x : in) x = float_of(stream.next() & 0xBFFFFFFFu);
    for (const float special : {0.0f, -std::numeric_limits<float>::infinity(), float_of(0xFFA00001u)}) {
      for (const Launch launch : kLaunches) {
        if (size > 0 && special != 0.0f) in[static_cast<std::size_t>(size - 1)] = special;
        DeviceArray<float> device(kernels, in, 1);
        float result = -1.0f;
        require_done(kernels.quantize->amax(device.data(), size, launch, result));
        INFO("size " << size << " launch " << launch.blocks << "x" << launch.threads);
        CHECK(bits_of(result) == bits_of(amax(in.data(), size)));
      }
    }
  }
}

inline void compare_encode(const Kernels& kernels) {
  std::size_t turn = 0;
  for (const PresetFormat& preset : preset_formats()) {
    for (const std::int64_t size : kArraySizes) {
      std::vector<float> values = quantize_inputs<float>(preset.format, size);
      if (!preset.format.has_nan()) {
        for (float& x : values) x = is_nan(x) ? 1.0f : x;
      }
      EventCounts ignored;
      quantize(values.data(), values.data(), size, {preset.format}, 1.0f, {}, 0, ignored);
      if (amax(values.data(), size) != amax(values.data(), size) && !preset.format.has_nan()) continue;
      std::vector<std::uint32_t> expected(values.size());
      encode(values.data(), expected.data(), size, preset.format);

      DeviceArray<float> in(kernels, values);
      DeviceArray<std::uint32_t> out(kernels, std::vector<std::uint32_t>(values.size(), 0xFFFFFFFFu), 1);
      const Launch launch = kLaunches[++turn % kLaunches.size()];
      require_done(kernels.quantize->encode(in.data(), out.data(), size, prepare_codes(preset.format), launch));
      INFO(preset.name << " size " << size);
      CHECK(out.contents() == expected);
    }
  }
}

}  // namespace precipice::test
