// SPDX-License-Identifier: Apache-2.0
// Names of formats: the presets with their sources, eXmY and qI.F, options, and the shortest spelling of a format.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"
#include "precision/format/float_format.h"
#include "precision/format/format_presets.h"

namespace precipice {

const std::vector<PresetFormat>& preset_formats() {
  using enum Specials;
  constexpr Subnormals keep = Subnormals::Keep, none = Subnormals::None;
  constexpr Sign with_sign = Sign::Signed, twos = Sign::Twos, no_sign = Sign::Unsigned;
  constexpr const char* kIeee = "IEEE 754-2019";
  constexpr const char* kOfp8 = "OCP OFP8 v1.0";
  constexpr const char* kMx = "OCP MX v1.0";
  constexpr const char* kMlDtypes = "ml_dtypes";
  constexpr const char* kP3109 = "IEEE P3109 interim report v4.0 (agreement, not conformance)";
  static const std::vector<PresetFormat> presets = {
      {"fp32", {8, 23, 127, Ieee}, kIeee},
      {"tf32", {8, 10, 127, Ieee}, "NVIDIA A100 white paper, 2020"},
      {"bf16", kBf16, "Intel BFLOAT16 numerics, 2018"},
      {"fp16", kFp16, kIeee},
      {"dlfloat16", {6, 9, 31, Fn, none}, "Agrawal et al., DLFloat, ARITH 2019"},
      {"e5m2", kE5m2, kOfp8},
      {"e4m3", kE4m3, kOfp8},
      {"e4m3fnuz", {4, 3, 8, Fnuz}, "Noune et al., arXiv 2206.02915"},
      {"e5m2fnuz", {5, 2, 16, Fnuz}, "Noune et al., arXiv 2206.02915"},
      {"e4m3b11fnuz", {4, 3, 11, Fnuz}, kMlDtypes},
      {"gaudi_e4m3", {4, 3, 7, Ieee}, "Intel Gaudi 2, arXiv 2409.12517"},
      {"hfp8_e4m3", {4, 3, 7, Finite}, "Sun et al., HFP8, NeurIPS 2019"},
      {"e3m4", {3, 4, 3, Ieee}, kMlDtypes},
      {"e3m2", {3, 2, 3, Finite}, kMx},
      {"e2m3", {2, 3, 1, Finite}, kMx},
      {"e2m1", kE2m1, kMx},
      {"e8m0", {8, 0, 127, Fn, none, no_sign, false}, kMx},
      {"binary8p1", {7, 0, 64, P3109}, kP3109},
      {"binary8p2", {6, 1, 32, P3109}, kP3109},
      {"binary8p3", {5, 2, 16, P3109}, kP3109},
      {"binary8p4", {4, 3, 8, P3109}, kP3109},
      {"binary8p5", {3, 4, 4, P3109}, kP3109},
      {"binary8p6", {2, 5, 2, P3109}, kP3109},
      {"binary8p7", {1, 6, 1, P3109}, kP3109},
      {"int8", {0, 7, -6, Finite, keep, with_sign}, "symmetric, -127 to 127"},
      {"int4", {0, 3, -2, Finite, keep, with_sign}, "symmetric, -7 to 7"},
      {"int8twos", {0, 7, -6, Finite, keep, twos}, "two's complement, -128 to 127"},
      {"int4twos", {0, 3, -2, Finite, keep, twos}, "two's complement, -8 to 7"},
      {"mxint8", {0, 7, 0, Finite, keep, twos}, kMx},
  };
  return presets;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const PresetFormat& preset : preset_formats()) names.emplace_back(preset.name);
  return names;
}

namespace {

constexpr Spellings<Specials, 5> kSpecials{{{"ieee", Specials::Ieee},
                                            {"fn", Specials::Fn},
                                            {"fnuz", Specials::Fnuz},
                                            {"finite", Specials::Finite},
                                            {"p3109", Specials::P3109}}};
constexpr Spellings<Subnormals, 4> kSubnormals{{{"keep", Subnormals::Keep},
                                                {"flush", Subnormals::Flush},
                                                {"flush-inputs", Subnormals::FlushInputs},
                                                {"none", Subnormals::None}}};
constexpr Spellings<Sign, 3> kSignWords{{{"signed", Sign::Signed}, {"twos", Sign::Twos}, {"unsigned", Sign::Unsigned}}};
constexpr Spellings<bool, 2> kYesNo{{{"yes", true}, {"no", false}}};
constexpr std::array kOptions = {"bias", "lsb", "specials", "subnormals", "sign", "zero"};

[[noreturn]] void refuse_format(std::string_view text, const std::string& problem) {
  throw ConfigError(fmt::format("format \"{}\": {}", text.substr(0, 60), problem));
}

// log2 of the quantum of fixed point, and the bias that stands for it.
int lsb_of(const FloatFormat& f) {
  return 1 - f.bias - f.mantissa_bits;
}
int bias_of_lsb(int lsb, int mantissa_bits) {
  return 1 - lsb - mantissa_bits;
}

// eXmY without options: IEEE-like where that leaves a normal number, else without specials; integers for e0mY.
std::optional<FloatFormat> parse_generic(std::string_view name) {
  const std::size_t m = name.find('m');
  if (name.empty() || name[0] != 'e' || m == std::string_view::npos) return std::nullopt;
  const std::optional<int> exponent_bits = parse_number<int>(name.substr(1, m - 1));
  const std::optional<int> mantissa_bits = parse_number<int>(name.substr(m + 1));
  if (!exponent_bits || !mantissa_bits) return std::nullopt;
  FloatFormat format;
  format.exponent_bits = *exponent_bits;
  format.mantissa_bits = *mantissa_bits;
  if (*exponent_bits >= 1 && *exponent_bits <= 8) format.bias = (1 << (*exponent_bits - 1)) - 1;
  if (*exponent_bits == 0 && *mantissa_bits <= 23) format.bias = bias_of_lsb(0, *mantissa_bits);
  format.specials = *exponent_bits > 1 ? Specials::Ieee : Specials::Finite;
  return format;
}

// qI.F: I integer bits and F fraction bits beside the sign.
std::optional<FloatFormat> parse_fixed_point(std::string_view name) {
  const std::size_t point = name.find('.');
  if (name.empty() || name[0] != 'q' || point == std::string_view::npos) return std::nullopt;
  const std::optional<int> whole = parse_number<int>(name.substr(1, point - 1)),
                           fraction = parse_number<int>(name.substr(point + 1));
  if (!whole || !fraction || *whole < 0 || *fraction < 0 || *whole > 23 || *fraction > 23) return std::nullopt;
  const int bits = *whole + *fraction;
  return FloatFormat{0, bits, bias_of_lsb(-*fraction, bits), Specials::Finite};
}

FloatFormat parse_base(std::string_view text, std::string_view name) {
  for (const PresetFormat& preset : preset_formats()) {
    if (name == preset.name) return preset.format;
  }
  if (const auto generic = parse_generic(name)) return *generic;
  if (const auto fixed = parse_fixed_point(name)) return *fixed;
  const std::string nearest = nearest_word(std::string(name.substr(0, 60)), preset_names());
  refuse_format(text,
                fmt::format("must be one of {}, eXmY with X 0 to 8 and Y 0 to 23, or qI.F{}",
                            fmt::join(preset_names(), " "), nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

void parse_option(std::string_view text, std::string_view option, FloatFormat& format) {
  const std::size_t equals = std::min(option.find('='), option.size());
  const std::string_view key = option.substr(0, equals);
  const std::string_view value = option.substr(std::min(equals + 1, option.size()));
  const auto whole_number = [&] {
    const std::optional<int> number = parse_number<int>(value);
    if (!number || *number < -1000 || *number > 1000)
      refuse_format(text, fmt::format("{} must be a whole number between -1000 and 1000", key));
    return *number;
  };
  if (key == "bias") {
    format.bias = whole_number();
  } else if (key == "lsb") {
    if (format.exponent_bits != 0) refuse_format(text, "lsb is for fixed point (e0mY, qI.F) only; others have a bias");
    format.bias = bias_of_lsb(whole_number(), format.mantissa_bits);
  } else if (key == "specials") {
    format.specials = parse_spelling("specials of a format", value, kSpecials);
  } else if (key == "subnormals") {
    format.subnormals = parse_spelling("subnormals of a format", value, kSubnormals);
  } else if (key == "sign") {
    format.sign = parse_spelling("sign of a format", value, kSignWords);
  } else if (key == "zero") {
    format.zero = parse_spelling("zero of a format", value, kYesNo);
  } else {
    const std::string nearest = nearest_word(std::string(key), kOptions);
    refuse_format(
        text, fmt::format("\"{}\" is not an option; options are {}{}", key.substr(0, 60), fmt::join(kOptions, "=, "),
                          nearest.empty() ? "=" : "=; did you mean " + nearest + "?"));
  }
}

std::string spell(const std::string& name, const FloatFormat& base, const FloatFormat& format) {
  std::string options;
  if (format.bias != base.bias)
    options += format.is_fixed_point() ? fmt::format(",lsb={}", lsb_of(format)) : fmt::format(",bias={}", format.bias);
  if (format.specials != base.specials) options += ",specials=" + spelling_of(format.specials, kSpecials);
  if (format.subnormals != base.subnormals) options += ",subnormals=" + spelling_of(format.subnormals, kSubnormals);
  if (format.sign != base.sign) options += ",sign=" + spelling_of(format.sign, kSignWords);
  if (format.zero != base.zero) options += ",zero=" + spelling_of(format.zero, kYesNo);
  if (!options.empty()) options[0] = ':';
  return name + options;
}

}  // namespace

FloatFormat parse_float_format(std::string_view given) {
  const std::string text_in_lower_case = lower_case(given);  // E8M3, as papers write it
  const std::string_view text = text_in_lower_case;
  const std::size_t colon = std::min(text.find(':'), text.size());
  FloatFormat format = parse_base(text, text.substr(0, colon));
  std::set<std::string_view> seen;
  for (std::size_t begin = colon; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin + 1), text.size());
    const std::string_view option = text.substr(begin + 1, end - begin - 1);
    parse_option(text, option, format);
    if (!seen.insert(option.substr(0, option.find('='))).second) refuse_format(text, "an option is given twice");
    begin = end;
  }
  if (seen.count("lsb") + seen.count("bias") == 2) refuse_format(text, "lsb and bias say the same thing: give one");
  try {
    validate(format);
  } catch (const ConfigError& error) {
    refuse_format(text, error.problem());
  }
  return format;
}

std::string to_string(const FloatFormat& format) {
  const std::string generic_name = fmt::format("e{}m{}", format.exponent_bits, format.mantissa_bits);
  std::string shortest;
  // An eXmY that is also a preset means the preset, so presets come first and the generic reading only without one.
  for (const PresetFormat& preset : preset_formats()) {
    if (preset.format.exponent_bits != format.exponent_bits || preset.format.mantissa_bits != format.mantissa_bits)
      continue;
    const std::string candidate = spell(preset.name, preset.format, format);
    if (shortest.empty() || candidate.size() < shortest.size()) shortest = candidate;
  }
  std::vector<std::string> names = {generic_name};
  const int fraction = -lsb_of(format);
  if (format.is_fixed_point() && fraction >= 0 && fraction <= format.mantissa_bits)
    names.push_back(fmt::format("q{}.{}", format.mantissa_bits - fraction, fraction));
  for (const std::string& name : names) {
    const std::string candidate = spell(name, parse_base(name, name), format);
    if (shortest.empty() || candidate.size() < shortest.size()) shortest = candidate;
  }
  return shortest;
}

std::string to_string(Specials specials) {
  return spelling_of(specials, kSpecials);
}
std::string to_string(Subnormals subnormals) {
  return spelling_of(subnormals, kSubnormals);
}
std::string to_string(Sign sign) {
  return spelling_of(sign, kSignWords);
}

}  // namespace precipice
