// SPDX-License-Identifier: Apache-2.0
// Formats: spelling, facts, and codes both ways.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <string>

#include "precision/format/decode_codes.h"
#include "precision/format/float_format.h"
#include "precision/kernels/quantize_kernels.h"
#include "python/numerics/core/core.h"

namespace precipice::python {
namespace {

constexpr std::int64_t kGrain = std::int64_t{1} << 16;

template <class Code>
void decode_codes(const FloatFormat& format, const Vector<const Code>& codes, const Vector<float>& out, int threads) {
  const auto size = static_cast<std::int64_t>(codes.size());
  const Code* from = codes.data();
  float* to = out.data();
  const nb::gil_scoped_release unlocked;
  Threads{threads}(size, kGrain, [&](std::int64_t begin, std::int64_t end) {
    decode(from + begin, to + begin, end - begin, format);
  });
}

// `values` are the format's; Python has seen to it.
void encode_values(const FloatFormat& format, const Vector<const float>& values, const Vector<std::uint32_t>& out,
                   int threads) {
  const auto size = static_cast<std::int64_t>(values.size());
  const float* from = values.data();
  std::uint32_t* to = out.data();
  const nb::gil_scoped_release unlocked;
  Threads{threads}(size, kGrain, [&](std::int64_t begin, std::int64_t end) {
    encode(from + begin, to + begin, end - begin, format);
  });
}

}  // namespace

void add_formats(nb::module_& m) {
  nb::class_<FloatFormat>(m, "Format")
      .def("__init__",
           [](FloatFormat* self, const std::string& text) { new (self) FloatFormat(parse_float_format(text)); })
      .def("__eq__", [](const FloatFormat& a, const FloatFormat& b) { return a == b; })
      .def_prop_ro("spelling", [](const FloatFormat& f) { return to_string(f); })
      .def_ro("exponent_bits", &FloatFormat::exponent_bits)
      .def_ro("mantissa_bits", &FloatFormat::mantissa_bits)
      .def_ro("bias", &FloatFormat::bias)
      .def_ro("zero", &FloatFormat::zero)
      .def_prop_ro("specials", [](const FloatFormat& f) { return to_string(f.specials); })
      .def_prop_ro("subnormals", [](const FloatFormat& f) { return to_string(f.subnormals); })
      .def_prop_ro("sign", [](const FloatFormat& f) { return to_string(f.sign); })
      .def_prop_ro("bits", &FloatFormat::bits)
      .def_prop_ro("precision", &FloatFormat::precision)
      .def_prop_ro("is_fixed_point", &FloatFormat::is_fixed_point)
      .def_prop_ro("emin", &FloatFormat::emin)
      .def_prop_ro("emax", &FloatFormat::emax)
      .def_prop_ro("max", &FloatFormat::max_finite)
      .def_prop_ro("lowest", [](const FloatFormat& f) { return f.zero ? f.lowest() : f.min_positive(); })
      .def_prop_ro("min_normal", &FloatFormat::min_normal)
      .def_prop_ro("min_positive", &FloatFormat::min_positive)
      .def_prop_ro("epsilon", &FloatFormat::epsilon)
      .def_prop_ro("has_infinity", &FloatFormat::has_infinity)
      .def_prop_ro("has_nan", &FloatFormat::has_nan)
      .def_prop_ro("has_minus_zero", &FloatFormat::has_minus_zero)
      .def("decode", &decode_codes<std::uint8_t>)
      .def("decode", &decode_codes<std::uint16_t>)
      .def("decode", &decode_codes<std::uint32_t>)
      .def("encode", &encode_values);
  m.def("preset_formats", [] {
    std::vector<std::tuple<std::string, std::string>> list;
    for (const PresetFormat& preset : preset_formats()) list.emplace_back(preset.name, preset.citation);
    return list;
  });
}

}  // namespace precipice::python
