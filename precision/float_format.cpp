// SPDX-License-Identifier: Apache-2.0
// Derived constants, codes and the limits of FloatFormat, all from the fields in integer arithmetic: a binary32 number
// is put together from its exponent field and mantissa, never computed with pow or log.
#include "precision/float_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "precision/check.h"
#include "precision/spellings.h"

namespace precipice {
namespace {

constexpr std::uint32_t kQuietNan = 0x7FC00000u;

float from_bits(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

// significand * 2^exponent, which must be a binary32 number; 0 <= significand < 2^24.
std::uint32_t exact_bits(std::uint32_t significand, int exponent) {
  if (significand == 0) return 0;
  // Normalise to 24 bits, or as far as the subnormal range of binary32 allows.
  while (significand < 0x800000u && exponent > -149) significand <<= 1, --exponent;
  PRECIPICE_CHECK(exponent >= -149 && exponent <= 104);
  if (significand < 0x800000u) return significand;
  return (static_cast<std::uint32_t>(exponent + 150) << 23) | (significand & 0x7FFFFFu);
}

struct TopCode {
  int exponent;  // exponent field
  std::uint32_t mantissa;
};

// The code of the largest finite value: everything up to all ones, less what the special values take.
TopCode top_code(const FloatFormat& f) {
  const int highest = (1 << f.exponent_bits) - 1;
  const std::uint32_t ones = (1u << f.mantissa_bits) - 1;
  if (f.specials == Specials::Ieee) return {highest - 1, ones};
  if (f.specials == Specials::Fn) return f.mantissa_bits == 0 ? TopCode{highest - 1, 0} : TopCode{highest, ones - 1};
  return {highest, ones};
}

std::uint32_t nan_code(const FloatFormat& f, std::uint32_t bits) {
  const std::uint32_t sign = (bits >> 31) << (f.bits() - 1);
  const std::uint32_t all_ones = (1u << (f.bits() - 1)) - 1;
  if (f.specials == Specials::Fnuz) return 1u << (f.bits() - 1);
  if (f.specials == Specials::Fn) return sign | all_ones;
  const std::uint32_t payload = (bits & 0x7FFFFFu) >> (23 - f.mantissa_bits);
  const std::uint32_t mantissa = payload != 0 ? payload : 1u << (f.mantissa_bits - 1);
  return sign | (((1u << f.exponent_bits) - 1) << f.mantissa_bits) | mantissa;
}

}  // namespace

int FloatFormat::emax() const {
  return top_code(*this).exponent - bias;
}

float FloatFormat::max_finite() const {
  const std::uint32_t mantissa = top_code(*this).mantissa;
  return from_bits(exact_bits((1u << mantissa_bits) | mantissa, emax() - mantissa_bits));
}

float FloatFormat::min_normal() const {
  return from_bits(exact_bits(1, emin()));
}

float FloatFormat::min_subnormal() const {
  return subnormals == Subnormals::Flush ? min_normal() : from_bits(exact_bits(1, emin() - mantissa_bits));
}

bool FloatFormat::has_nan() const {
  return specials == Specials::Ieee ? mantissa_bits > 0 : specials != Specials::Finite;
}

void validate(const FloatFormat& f) {
  if (f.exponent_bits < 1 || f.exponent_bits > 8)
    throw ConfigError(fmt::format("exponent bits must be 1 to 8, not {}", f.exponent_bits));
  if (f.mantissa_bits < 0 || f.mantissa_bits > 23)
    throw ConfigError(fmt::format("mantissa bits must be 0 to 23, not {}", f.mantissa_bits));
  const int top = top_code(f).exponent;
  if (top < 1)
    throw ConfigError(fmt::format(
        "e{}m{} with these special values leaves no normal number: use specials=finite or more exponent bits",
        f.exponent_bits, f.mantissa_bits));
  // Normals must be normals of binary32: 2^(1 - bias) >= 2^-126 (then the subnormals, down to 2^(1 - bias - M), are
  // binary32 numbers too) and 2^(top - bias) < 2^128.
  const int lowest = top - 127;
  if (lowest > 127)
    throw ConfigError(
        "8 exponent bits without infinities go beyond binary32: use specials=ieee or fewer exponent bits");
  if (f.bias < lowest || f.bias > 127)
    throw ConfigError(fmt::format("bias of e{}m{} must be {} to 127, so that every value is a binary32 number, not {}",
                                  f.exponent_bits, f.mantissa_bits, lowest, f.bias));
}

float decode(const FloatFormat& f, std::uint32_t code) {
  PRECIPICE_CHECK(f.bits() == 32 || code >> f.bits() == 0, "code ", code, " has more than ", f.bits(), " bits");
  const std::uint32_t sign = (code >> (f.bits() - 1)) << 31;
  const std::uint32_t highest = (1u << f.exponent_bits) - 1;
  const std::uint32_t exponent = (code >> f.mantissa_bits) & highest;
  const std::uint32_t ones = (1u << f.mantissa_bits) - 1;
  const std::uint32_t mantissa = code & ones;

  const bool top = exponent == highest;
  if (f.specials == Specials::Ieee && top) return from_bits(sign | 0x7F800000u | (mantissa << (23 - f.mantissa_bits)));
  if (f.specials == Specials::Fn && top && mantissa == ones) return from_bits(sign | kQuietNan);
  if (f.specials == Specials::Fnuz && sign != 0 && exponent == 0 && mantissa == 0) return from_bits(kQuietNan);

  if (exponent == 0 && f.subnormals == Subnormals::Flush) return from_bits(f.specials == Specials::Fnuz ? 0 : sign);
  const std::uint32_t implicit = exponent == 0 ? 0 : 1u << f.mantissa_bits;
  const int scale = (exponent == 0 ? 1 : static_cast<int>(exponent)) - f.bias - f.mantissa_bits;
  return from_bits(sign | exact_bits(implicit | mantissa, scale));
}

std::uint32_t encode(const FloatFormat& f, float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) {
    PRECIPICE_CHECK(f.has_nan(), to_string(f), " has no NaN");
    return nan_code(f, bits);
  }
  const std::uint32_t sign = (bits >> 31) << (f.bits() - 1);
  const int field = static_cast<int>(magnitude >> 23);
  const int emin_field = f.emin() + 127;
  std::uint32_t code = 0;
  if (magnitude == 0x7F800000u) {
    code = ((1u << f.exponent_bits) - 1) << f.mantissa_bits;
  } else if (field >= emin_field) {
    const std::uint32_t exponent = static_cast<std::uint32_t>(field - emin_field + 1);
    code = (exponent << f.mantissa_bits) | ((magnitude & 0x7FFFFFu) >> (23 - f.mantissa_bits));
  } else {
    const std::uint32_t significand = field > 0 ? (magnitude & 0x7FFFFFu) | 0x800000u : magnitude;
    const int drop = 23 - f.mantissa_bits + emin_field - (field > 0 ? field : 1);
    code = drop < 24 ? significand >> drop : 0;
  }
  // What was cut off, or ran into the bits of the sign or of a special value, shows when the code is read back.
  const bool fits =
      magnitude == 0x7F800000u ? f.has_infinity() : magnitude <= __builtin_bit_cast(std::uint32_t, f.max_finite());
  PRECIPICE_CHECK(fits && __builtin_bit_cast(std::uint32_t, decode(f, sign | code)) == bits, value,
                  " is not a value of ", to_string(f));
  return sign | code;
}

namespace {

struct Preset {
  const char* name;
  FloatFormat format;
};

constexpr Preset kPresets[] = {
    {"fp32", {8, 23, 127, Specials::Ieee}},  {"tf32", {8, 10, 127, Specials::Ieee}},
    {"bf16", {8, 7, 127, Specials::Ieee}},   {"fp16", {5, 10, 15, Specials::Ieee}},
    {"e5m2", {5, 2, 15, Specials::Ieee}},    {"e4m3", {4, 3, 7, Specials::Fn}},
    {"e4m3fnuz", {4, 3, 8, Specials::Fnuz}}, {"e5m2fnuz", {5, 2, 16, Specials::Fnuz}},
    {"e3m4", {3, 4, 3, Specials::Ieee}},     {"e3m2", {3, 2, 3, Specials::Finite}},
    {"e2m3", {2, 3, 1, Specials::Finite}},   {"e2m1", {2, 1, 1, Specials::Finite}},
};

constexpr Spellings<Specials, 4> kSpecials{
    {{"ieee", Specials::Ieee}, {"fn", Specials::Fn}, {"fnuz", Specials::Fnuz}, {"finite", Specials::Finite}}};
constexpr Spellings<Subnormals, 2> kSubnormals{{{"keep", Subnormals::Keep}, {"flush", Subnormals::Flush}}};

[[noreturn]] void refuse(std::string_view text, const std::string& problem) {
  throw ConfigError(fmt::format("format \"{}\": {}", text.substr(0, 60), problem));
}

std::optional<int> parse_int(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// eXmY without options: IEEE-like where that leaves a normal number, else without specials.
std::optional<FloatFormat> parse_generic(std::string_view name) {
  const std::size_t m = name.find('m');
  if (name.empty() || name[0] != 'e' || m == std::string_view::npos) return std::nullopt;
  const std::optional<int> exponent_bits = parse_int(name.substr(1, m - 1));
  const std::optional<int> mantissa_bits = parse_int(name.substr(m + 1));
  if (!exponent_bits || !mantissa_bits) return std::nullopt;
  FloatFormat format;
  format.exponent_bits = *exponent_bits;
  format.mantissa_bits = *mantissa_bits;
  if (*exponent_bits >= 1 && *exponent_bits <= 8) format.bias = (1 << (*exponent_bits - 1)) - 1;
  format.specials = *exponent_bits > 1 ? Specials::Ieee : Specials::Finite;
  return format;
}

FloatFormat parse_base(std::string_view text, std::string_view name) {
  for (const Preset& preset : kPresets) {
    if (name == preset.name) return preset.format;
  }
  if (const auto generic = parse_generic(name)) return *generic;
  const std::string nearest = nearest_word(std::string(name.substr(0, 60)), preset_names());
  refuse(text, fmt::format("must be one of {}, or eXmY with X 1 to 8 and Y 0 to 23{}", fmt::join(preset_names(), " "),
                           nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

void parse_option(std::string_view text, std::string_view option, FloatFormat& format) {
  const std::size_t equals = std::min(option.find('='), option.size());
  const std::string_view key = option.substr(0, equals);
  const std::string_view value = option.substr(std::min(equals + 1, option.size()));
  if (key == "bias") {
    const std::optional<int> bias = parse_int(value);
    if (!bias) refuse(text, "bias must be a whole number");
    format.bias = *bias;
  } else if (key == "specials") {
    format.specials = parse_spelling("specials of a format", value, kSpecials);
  } else if (key == "subnormals") {
    format.subnormals = parse_spelling("subnormals of a format", value, kSubnormals);
  } else {
    const std::string nearest = nearest_word(std::string(key), std::array{"bias", "specials", "subnormals"});
    refuse(text, fmt::format("\"{}\" is not an option; options are bias=, specials= and subnormals={}",
                             key.substr(0, 60), nearest.empty() ? "" : "; did you mean " + nearest + "?"));
  }
}

std::string spell(const std::string& name, const FloatFormat& base, const FloatFormat& format) {
  std::string options;
  if (format.bias != base.bias) options += fmt::format(",bias={}", format.bias);
  if (format.specials != base.specials) options += ",specials=" + spelling_of(format.specials, kSpecials);
  if (format.subnormals != base.subnormals) options += ",subnormals=" + spelling_of(format.subnormals, kSubnormals);
  if (!options.empty()) options[0] = ':';
  return name + options;
}

}  // namespace

FloatFormat parse_float_format(std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  FloatFormat format = parse_base(text, text.substr(0, colon));
  std::set<std::string_view> seen;
  for (std::size_t begin = colon; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin + 1), text.size());
    const std::string_view option = text.substr(begin + 1, end - begin - 1);
    parse_option(text, option, format);
    if (!seen.insert(option.substr(0, option.find('='))).second) refuse(text, "an option is given twice");
    begin = end;
  }
  try {
    validate(format);
  } catch (const ConfigError& error) {
    refuse(text, error.problem());
  }
  return format;
}

std::string to_string(const FloatFormat& format) {
  const std::string generic_name = fmt::format("e{}m{}", format.exponent_bits, format.mantissa_bits);
  std::string shortest;
  // An eXmY that is also a preset means the preset, so presets come first and the generic reading only without one.
  for (const Preset& preset : kPresets) {
    if (preset.format.exponent_bits != format.exponent_bits || preset.format.mantissa_bits != format.mantissa_bits)
      continue;
    const std::string candidate = spell(preset.name, preset.format, format);
    if (shortest.empty() || candidate.size() < shortest.size()) shortest = candidate;
  }
  const std::string generic = spell(generic_name, parse_base(generic_name, generic_name), format);
  return shortest.empty() || generic.size() < shortest.size() ? generic : shortest;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

}  // namespace precipice
