// SPDX-License-Identifier: Apache-2.0
// The quantize kernels against the host's array loops (precision/kernels/quantize_kernels.h), bit for bit, events
// included.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"
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

// What a call asks for beside its format: scales of elements or blocks in place of one, and packed results.
struct QuantizeCase {
  ElementQuantizer spec;
  float scale = 1.0f;
  RandomKey key;
  std::uint64_t first_element = 0;
  bool in_place = false;
  bool own_multipliers = false;  // with block_shift and divide as in QuantizeCall; scale is 1
  int block_shift = 0;
  bool divide = false;
  bool packed = false;  // where results are bf16 numbers
  bool count = true;
};

// Scales as recipes have them, powers of two and others, and now and then what spoils a block.
inline std::vector<float> multipliers_of(std::int64_t size, int block_shift) {
  std::vector<float> multipliers(static_cast<std::size_t>((size >> block_shift) + 1));
  Stream stream{static_cast<std::uint64_t>(size) + 99};
  for (float& x : multipliers) {
    const std::uint32_t random = stream.next();
    const float ordinary = (random & 1) != 0 ? 0.3f : 0x1p-3f;
    x = ordinary * static_cast<float>(1u << (random >> 8) % 7);
    if (random % 31 == 0) x = std::vector<float>{0.0f, INFINITY, NAN, 0x1p-127f}[random / 31 % 4];
  }
  return multipliers;
}

// A NaN that the multiplication makes (infinity * 0) may be any; every other result has the host's bits.
template <class Float>
bool agrees(Float in, Float product, float device, float host) {
  const bool made_nan = in == in && std::isnan(product);
  return made_nan ? is_nan(device) && is_nan(host) : bits_of(device) == bits_of(host);
}

template <class Float>
auto host_kernel() {
  if constexpr (std::is_same_v<Float, double>)
    return active_kernels().quantize_wide;
  else
    return active_kernels().quantize;
}

inline std::vector<float> unpacked(const std::vector<std::uint16_t>& packed) {
  std::vector<float> values;
  for (const std::uint16_t half : packed) values.push_back(float_of_bf16(half));
  return values;
}

inline bool are_bf16(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return is_nan(x) || (bits_of(x) & 0xFFFFu) == 0; });
}

template <class Float>
void compare_quantize(const Kernels& kernels, const std::vector<Float>& in, const QuantizeCase& c, Launch launch) {
  const auto size = static_cast<std::int64_t>(in.size());
  INFO(to_string(c.spec.format) << " " << to_string(c.spec.rounding) << " " << to_string(c.spec.overflow) << " size "
                                << size << " first element " << c.first_element << " launch " << launch.blocks << "x"
                                << launch.threads << (c.own_multipliers ? c.divide ? " divided" : " multiplied" : "")
                                << " by blocks of 2^" << c.block_shift << (c.packed ? " packed" : ""));
  const std::vector<float> multipliers = multipliers_of(size, c.block_shift);
  std::vector<float> expected(in.size());
  auto call = prepare_call(in.data(), expected.data(), size, c.spec, c.own_multipliers ? 1.0f : c.scale, c.key,
                           c.first_element);
  call.multipliers = c.own_multipliers ? multipliers.data() : nullptr;
  call.block_shift = c.own_multipliers ? c.block_shift : 0;
  call.divide = c.own_multipliers && c.divide;
  call.count = c.count;
  EventCounts expected_counts = host_kernel<Float>()(call);
  std::uint32_t expected_smallest = ~0u;
  DeviceResult<std::uint32_t> smallest(kernels, ~0u);
  const bool packed = c.packed && are_bf16(expected);
  if (packed) {
    std::vector<std::uint16_t> halves(in.size());
    call.packed = halves.data();
    call.smallest_result = &expected_smallest;
    expected_counts = host_kernel<Float>()(call);
    expected = unpacked(halves);
  }

  const std::size_t shift = in.size() % 3;
  DeviceArray<Float> device_in(kernels, in, shift);
  DeviceArray<float> device_out(kernels, std::vector<float>(in.size(), -7.0f), shift + 1);
  DeviceArray<float> device_multipliers(kernels, multipliers);
  DeviceArray<std::uint16_t> device_packed(kernels, std::vector<std::uint16_t>(packed ? in.size() : 0, 0x5A5Au), shift);
  call.in = device_in.data();
  call.out = device_out.data();
  if constexpr (std::is_same_v<Float, float>) call.out = c.in_place ? device_in.data() : call.out;
  if (packed) call.packed = device_packed.data();
  if (packed) call.smallest_result = smallest.data();
  if (c.own_multipliers) call.multipliers = device_multipliers.data();
  DeviceResult<MatrixNumbers> numbers(kernels);
  const FoundNumbers found{numbers.data(), ResultQuantum(c.spec.format)};
  std::vector<float> out;
  if constexpr (std::is_same_v<Float, double>) {
    require_done(kernels.quantize->quantize_wide(call, found, launch));
    out = device_out.contents();
  } else {
    require_done(kernels.quantize->quantize(call, found, launch));
    out = c.in_place && !packed ? device_in.contents() : device_out.contents();
  }
  if (packed) {
    CHECK(std::all_of(out.begin(), out.end(), [](float x) { return x == -7.0f; }));
    out = unpacked(device_packed.contents());
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto by = static_cast<Float>(c.own_multipliers ? multipliers[i >> c.block_shift] : c.scale);
    wrong += !agrees<Float>(in[i], c.divide && c.own_multipliers ? in[i] / by : in[i] * by, out[i], expected[i]);
  }
  CHECK(wrong == 0);
  CHECK(smallest.value() == expected_smallest);
  ResultQuantum quantum(c.spec.format);
  quantum.record(expected_smallest);
  CHECK(numbers.value().quantum == static_cast<float>(quantum.value()));
  const EventCounts counts = numbers.value().events;
  if (c.count)
    CHECK(same_counts(counts, expected_counts));
  else
    CHECK((counts.total == expected_counts.total && bits_of(counts.amax) == bits_of(expected_counts.amax)));
}

// Rows where they lie, with gaps of the host's numbers, and a factor in device memory: as one call on a row at a time.
inline void compare_rounded_rows(const Kernels& kernels) {
  const DeviceResult<float> factor(kernels, 0.3f);
  for (const char* name : {"e4m3", "bf16", "e5m2"}) {
    for (const bool known : {true, false}) {
      const ElementQuantizer spec{.format = parse_float_format(name)};
      constexpr std::int64_t kRows = 5, kCols = 33, kStride = 40;
      std::vector<float> in = quantize_inputs<float>(spec.format, kRows * kStride), expected = in;
      for (std::int64_t row = 0; row < kRows; ++row) {
        float* const at = expected.data() + row * kStride;
        active_kernels().quantize(prepare_call(at, at, kCols, spec, known ? 2.0f : 0.3f, {}, 0));
      }
      DeviceArray<float> device(kernels, in, 1);
      const QuantizeCall call = prepare_call(static_cast<const float*>(nullptr), nullptr, 0, spec, 2.0f, {}, 0);
      const Factor scale = known ? Factor() : Factor{1.0f, factor.data()};
      require_done(kernels.quantize->round(call, {device.data(), kRows, kCols, kStride, scale}, {2, 16}));
      const std::vector<float> found = device.contents();
      CHECK(std::equal(found.begin(), found.end(), expected.begin(), same));
    }
  }
  // Without gaps words of the random stream are numbered over all of them.
  ElementQuantizer random{.format = parse_float_format("e4m3"), .rounding = Rounding::Stochastic};
  std::vector<float> in = quantize_inputs<float>(random.format, 150), expected(in.size());
  const RandomKey key{3, 4, 5, 6};
  active_kernels().quantize(prepare_call(in.data(), expected.data(), 150, random, 0.5f, key, 0));
  DeviceArray<float> device(kernels, in);
  const QuantizeCall call = prepare_call(static_cast<const float*>(nullptr), nullptr, 0, random, 0.5f, key, 0);
  require_done(kernels.quantize->round(call, {device.data(), 3, 50, 50, {}}, {}));
  const std::vector<float> found = device.contents();
  CHECK(std::equal(found.begin(), found.end(), expected.begin(), same));
  CHECK(kernels.quantize->round(call, {device.data(), 3, 49, 50, {}}, {}) != nullptr);
}

// Every preset and every kind of format in every mode; policies, scales, bits and shapes take turns. `sizes_each`: of the
// array sizes, how many each of them meets.
template <class Float>
void compare_all_formats(const Kernels& kernels, std::size_t sizes_each = kArraySizes.size()) {
  std::vector<FloatFormat> formats;
  for (const PresetFormat& preset : preset_formats()) formats.push_back(preset.format);
  for (const std::string& name : kSmallFormats) formats.push_back(parse_float_format(name));
  std::size_t turn = 0;
  for (const FloatFormat& format : formats) {
    for (const Rounding rounding : all_roundings()) {
      for (std::size_t k = 0; k < sizes_each; ++k) {
        ++turn;
        const std::int64_t size = kArraySizes[turn % kArraySizes.size()];
        QuantizeCase c;
        c.spec = {format, rounding, kOverflows[turn % 3],
                  is_stochastic(rounding) ? static_cast<int>(turn % 32) + 1 : 32,
                  std::is_same_v<Float, float> && turn % 5 == 0};
        c.spec.kept_exponent_bits = c.spec.through_bf16 && turn % 2 == 0 ? 7 : 8;
        c.scale = std::vector<float>{1.0f, 0x1p4f, 0.3f, 0.0f}[turn / 3 % 4];
        c.key = {turn * 0x9E3779B97F4A7C15u, static_cast<std::uint32_t>(turn), 7, 3};
        c.first_element = turn % 7;
        c.in_place = turn % 2 == 0;
        if (std::is_same_v<Float, float> && turn % 4 != 0) {
          c.own_multipliers = turn % 4 != 1;
          c.block_shift = std::vector<int>{0, 4, 5, 7, 11}[turn / 4 % 5];
          c.divide = turn % 12 == 3;
        }
        c.packed = turn / 5 % 2 == 0;
        c.count = turn % 9 != 0;
        compare_quantize(kernels, quantize_inputs<Float>(format, size), c, kLaunches[turn % kLaunches.size()]);
      }
    }
  }
}

// Every size up to 130 from every place in a block of the random stream, and from its far end; shapes take turns.
inline void compare_tails(const Kernels& kernels) {
  QuantizeCase c;
  c.spec = {parse_float_format("e5m2"), Rounding::Stochastic, Overflow::Native, 16, false};
  for (std::int64_t size = 0; size <= 130; ++size) {
    const std::vector<float> in = quantize_inputs<float>(c.spec.format, size);
    for (const std::uint64_t offset : {0u, 1u, 2u, 3u}) {
      c.first_element = size % 2 == 0 ? offset : (std::uint64_t{1} << 50) - 200 + offset;
      c.in_place = size % 3 == 0;
      const auto turn = static_cast<std::size_t>(size) + offset;
      c.packed = turn % 4 == 3;
      compare_quantize(kernels, in, c, kLaunches[turn % kLaunches.size()]);
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
