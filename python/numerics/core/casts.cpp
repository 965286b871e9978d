// SPDX-License-Identifier: Apache-2.0
// cast(): every element rounded to a format, as `precipice cast` rounds a stream.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <type_traits>

#include "precision/base/check.h"
#include "precision/format/bf16_bits.h"
#include "precision/format/decode_codes.h"
#include "precision/format/format_presets.h"
#include "precision/format/quantum.h"
#include "precision/kernels/quantize_isa.h"
#include "python/numerics/core/core.h"

namespace precipice::python {
namespace {

constexpr std::int64_t kGrain = std::int64_t{1} << 16;  // elements; a multiple of the 4 of a Philox block

struct CastCall {
  ElementQuantizer element;
  RandomKey key;
  std::uint64_t first_element;
  bool stream;  // results are written past the caches
};

// Of results that are bf16 numbers.
void pack(const float* in, std::uint16_t* out, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) out[i] = bf16_bits(__builtin_bit_cast(std::uint32_t, in[i]));
}

void store(const QuantizeCall& wanted, float* out, EventCounts& counts) {
  QuantizeCall call = wanted;
  call.out = out;
  counts += active_kernels().quantize(call);
}
void store(const QuantizeCall& wanted, std::uint16_t* out, EventCounts& counts) {
  QuantizeCall call = wanted;
  call.packed = out;
  counts += active_kernels().quantize(call);
}

// Elements that are the call's from `first` on. Number: float, double, or std::uint16_t of bf16 or fp16.
template <class Out>
void cast_range(const CastCall& cast, const float* in, Out* out, std::int64_t size, std::uint64_t first, bool,
                EventCounts& counts) {
  QuantizeCall call = prepare_call(in, nullptr, size, cast.element, 1.0f, cast.key, first);
  call.stream = cast.stream && static_cast<const void*>(in) != out;
  store(call, out, counts);
}
template <class Out>
void cast_range(const CastCall& cast, const double* in, Out* out, std::int64_t size, std::uint64_t first, bool,
                EventCounts& counts) {
  if constexpr (std::is_same_v<Out, float>) {
    quantize(in, out, size, cast.element, 1.0f, cast.key, first, counts);
  } else {
    std::vector<float> rounded(static_cast<std::size_t>(size));
    quantize(in, rounded.data(), size, cast.element, 1.0f, cast.key, first, counts);
    pack(rounded.data(), out, size);
  }
}
template <class Out>
void cast_range(const CastCall& cast, const std::uint16_t* in, Out* out, std::int64_t size, std::uint64_t first,
                bool is_bf16, EventCounts& counts) {
  std::vector<float> wide(static_cast<std::size_t>(size));
  if (is_bf16)
    for (std::int64_t i = 0; i < size; ++i) wide[static_cast<std::size_t>(i)] = float_of_bf16(in[i]);
  else
    decode(in, wide.data(), size, kFp16);
  cast_range(cast, wide.data(), out, size, first, is_bf16, counts);
}

// `is_bf16`: of two-byte inputs, else fp16.
template <class In, class Out>
Events cast(const Vector<const In>& x, const Vector<Out>& out, const FloatFormat& format, const std::string& rounding,
            const std::string& overflow, int random_bits, const Stream& stream, std::uint64_t first_element,
            bool is_bf16, int threads) {
  ElementQuantizer element{
      .format = format, .rounding = parse_rounding(rounding), .overflow = parse_overflow(overflow)};
  element.random_bits = random_bits;
  validate(element);
  if (!std::is_same_v<Out, float> && !fits_bf16(format))
    throw ConfigError(to_string(format) + " has numbers that bfloat16 has not; ask for float32");
  const auto size = static_cast<std::int64_t>(x.size());
  const CastCall call{element, key_of(stream), is_stochastic(element.rounding) ? first_element : 0,
                      size * static_cast<std::int64_t>(sizeof(Out)) >= kStreamedBytes};
  const In* from = x.data();
  Out* to = out.data();
  EventCounts counts;
  std::mutex mutex;
  const nb::gil_scoped_release unlocked;
  Threads{threads}(size, kGrain, [&](std::int64_t begin, std::int64_t end) {
    EventCounts part;
    // One thread is given all at once; what is widened first stays in the cache.
    for (std::int64_t at = begin; at < end; at += kGrain)
      cast_range(call, from + at, to + at, std::min(kGrain, end - at),
                 call.first_element + static_cast<std::uint64_t>(at), is_bf16, part);
    const std::lock_guard<std::mutex> lock(mutex);
    counts += part;
  });
  return events_tuple(counts);
}

template <class In>
void add_cast(nb::module_& m) {
  m.def("cast", &cast<In, float>);
  m.def("cast", &cast<In, std::uint16_t>);
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> list;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    list.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return list;
}

}  // namespace

void add_casts(nb::module_& m) {
  add_cast<float>(m);
  add_cast<double>(m);
  add_cast<std::uint16_t>(m);
  m.def("roundings", [] { return words(rounding_words()); });
  m.def("is_stochastic", [](const std::string& rounding) { return is_stochastic(parse_rounding(rounding)); });
}

}  // namespace precipice::python
