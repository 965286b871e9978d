// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/formats_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "experiments/console/table.h"
#include "precision/format/format_codes.h"

namespace precipice {
namespace {

constexpr int kMostListedBits = 8;

const PresetFormat* preset_of(const FloatFormat& format) {
  for (const PresetFormat& preset : preset_formats())
    if (preset.format == format) return &preset;
  return nullptr;
}

std::uint64_t code_count(const FloatFormat& f) {
  return std::uint64_t{1} << f.bits();
}

std::string sign_in_words(const FloatFormat& f) {
  if (f.sign == Sign::Unsigned) return "unsigned";
  return f.sign == Sign::Twos ? "two's complement" : "sign and magnitude";
}

std::string subnormals_in_words(const FloatFormat& f) {
  if (f.is_fixed_point()) return "fixed point has none";
  switch (f.subnormals) {
    case Subnormals::Keep:
      return "kept";
    case Subnormals::Flush:
      return "results flushed to zero";
    case Subnormals::FlushInputs:
      return "results and inputs flushed to zero";
    case Subnormals::None:
      return "none: exponent field 0 holds normal numbers";
  }
  return {};
}

// What is not a nonzero number, short enough for a column.
std::string specials_in_words(const FloatFormat& f) {
  std::vector<std::string> words;
  if (f.has_infinity()) words.emplace_back("inf");
  if (f.has_nan()) words.emplace_back("NaN");
  if (f.has_minus_zero()) words.emplace_back("-0");
  if (!f.zero) words.emplace_back("no 0");
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, " "));
}

// Fixed point has a quantum and no exponents.
std::string bias_text(const FloatFormat& f) {
  return f.is_fixed_point() ? "-" : std::to_string(f.bias);
}
std::string min_normal_text(const FloatFormat& f) {
  return f.is_fixed_point() ? "-" : shortest_decimal(f.min_normal());
}

nlohmann::ordered_json number_json(float value) {
  if (std::isfinite(value)) return static_cast<double>(value);
  return shortest_decimal(value);
}

nlohmann::ordered_json facts_json(const FloatFormat& f) {
  nlohmann::ordered_json facts;
  const PresetFormat* preset = preset_of(f);
  facts["name"] = to_string(f);
  facts["bits"] = f.bits();
  facts["exponent_bits"] = f.exponent_bits;
  facts["mantissa_bits"] = f.mantissa_bits;
  facts["bias"] = f.is_fixed_point() ? nlohmann::ordered_json() : nlohmann::ordered_json(f.bias);
  facts["sign"] = sign_in_words(f);
  facts["subnormals"] = subnormals_in_words(f);
  facts["infinity"] = f.has_infinity();
  facts["nan"] = f.has_nan();
  facts["zero"] = f.zero;
  facts["minus_zero"] = f.has_minus_zero();
  facts["largest"] = number_json(f.max_finite());
  facts["lowest"] = f.zero ? number_json(f.lowest()) : number_json(f.min_positive());
  facts["smallest_normal"] = f.is_fixed_point() ? nlohmann::ordered_json() : number_json(f.min_normal());
  facts["smallest_positive"] = number_json(f.min_positive());
  facts["epsilon"] = number_json(f.epsilon());
  facts["codes"] = code_count(f);
  facts["citation"] = preset == nullptr ? nlohmann::ordered_json() : nlohmann::ordered_json(preset->citation);
  return facts;
}

std::string field(std::uint32_t code, int low, int bits) {
  std::string digits;
  for (int bit = low + bits - 1; bit >= low; --bit) digits += (code >> bit) & 1 ? '1' : '0';
  return digits;
}

std::string joined_fields(const std::string& sign, const std::string& exponent, const std::string& mantissa) {
  std::string joined;
  for (const std::string& part : {sign, exponent, mantissa})
    if (!part.empty()) joined += (joined.empty() ? "" : " ") + part;
  return joined;
}

}  // namespace

std::string shortest_decimal(float value) {
  if (value != value) return "nan";
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

std::string code_fields(const FloatFormat& f, std::uint32_t code) {
  const int magnitude_bits = f.exponent_bits + f.mantissa_bits;
  return joined_fields(field(code, magnitude_bits, f.bits() - magnitude_bits),
                       field(code, f.mantissa_bits, f.exponent_bits), field(code, 0, f.mantissa_bits));
}

std::string field_names(const FloatFormat& f) {
  const auto times = [](int count, char letter) { return std::string(static_cast<std::size_t>(count), letter); };
  return joined_fields(times(f.bits() - f.exponent_bits - f.mantissa_bits, 's'), times(f.exponent_bits, 'e'),
                       times(f.mantissa_bits, 'm'));
}

std::string code_hex(const FloatFormat& f, std::uint32_t code) {
  return fmt::format("0x{:0{}x}", code, (f.bits() + 3) / 4);
}

std::string presets_table() {
  std::vector<std::vector<std::string>> rows = {{"name", "bits", "E/M", "bias", "largest", "smallest normal",
                                                 "smallest", "epsilon", "codes", "specials", "source"}};
  for (const auto& [name, f, citation] : preset_formats())
    rows.push_back({name, std::to_string(f.bits()), fmt::format("{}/{}", f.exponent_bits, f.mantissa_bits),
                    bias_text(f), shortest_decimal(f.max_finite()), min_normal_text(f),
                    shortest_decimal(f.min_positive()), shortest_decimal(f.epsilon()), std::to_string(code_count(f)),
                    specials_in_words(f), citation});
  return format_table(rows);
}

std::string presets_json() {
  nlohmann::ordered_json presets = nlohmann::ordered_json::array();
  for (const PresetFormat& preset : preset_formats()) presets.push_back(facts_json(preset.format));
  return presets.dump(2) + "\n";
}

std::string format_text(const FloatFormat& f) {
  const PresetFormat* preset = preset_of(f);
  const std::string lowest = f.zero ? shortest_decimal(f.lowest()) : "no zero, no negative numbers";
  std::string text = format_table({{"name", to_string(f)},
                                   {"source", preset == nullptr ? "-" : preset->citation},
                                   {"bits", fmt::format("{}: {}", f.bits(), field_names(f))},
                                   {"sign", sign_in_words(f)},
                                   {"bias", bias_text(f)},
                                   {"largest", shortest_decimal(f.max_finite())},
                                   {"lowest", lowest},
                                   {"smallest normal", min_normal_text(f)},
                                   {"smallest", shortest_decimal(f.min_positive())},
                                   {f.is_fixed_point() ? "quantum" : "epsilon", shortest_decimal(f.epsilon())},
                                   {"subnormals", subnormals_in_words(f)},
                                   {"specials", specials_in_words(f)},
                                   {"codes", std::to_string(code_count(f))}});
  if (f.bits() > kMostListedBits) return text;
  std::vector<std::vector<std::string>> rows = {{"code", field_names(f), "value"}};
  for (std::uint32_t code = 0; code < code_count(f); ++code)
    rows.push_back({code_hex(f, code), code_fields(f, code), shortest_decimal(decode(f, code))});
  return text + "\n" + format_table(rows);
}

std::string format_json(const FloatFormat& f) {
  nlohmann::ordered_json facts = facts_json(f);
  if (f.bits() <= kMostListedBits) {
    facts["values"] = nlohmann::ordered_json::array();
    for (std::uint32_t code = 0; code < code_count(f); ++code)
      facts["values"].push_back(
          {{"code", code}, {"fields", code_fields(f, code)}, {"value", number_json(decode(f, code))}});
  }
  return facts.dump(2) + "\n";
}

}  // namespace precipice
