// SPDX-License-Identifier: Apache-2.0
#include "precision/policy/flash_attention.h"

#include <algorithm>
#include <array>

#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"

namespace precipice {
namespace {

constexpr std::int64_t kMostKeys = 65536;
constexpr double kMostBeta = 1e6;
constexpr Spellings<bool, 2> kFlags{{{"true", true}, {"false", false}}};
constexpr Spellings<FlashDelta, 3> kDeltas{
    {{"rounded", FlashDelta::Rounded}, {"unrounded", FlashDelta::Unrounded}, {"weights", FlashDelta::Weights}}};

std::int64_t parse_block(const std::string& name, const std::string& value) {
  const auto keys = parse_number<std::int64_t>(value);
  if (!keys || *keys < 32 || *keys > kMostKeys || *keys % 32 != 0)
    throw ConfigError({"", 0, name, value}, join_parts("must be a multiple of 32, up to ", kMostKeys));
  return *keys;
}

double parse_beta(const std::string& name, const std::string& value) {
  const auto beta = parse_number<double>(value);
  if (!beta || !(*beta == 0 || (*beta >= 1 && *beta <= kMostBeta)))
    throw ConfigError({"", 0, name, value}, join_parts("must be 0 (off) or a number from 1 to ", kMostBeta));
  return *beta;
}

ElementQuantizer parse_sums(const std::string& value) {
  ElementQuantizer element;
  if (value == "high") return element;
  element.overflow = Overflow::Native;
  element.format = parse_float_format(value);
  return element;
}

std::string format_word(const ElementQuantizer& element) {
  return element.is_identity() ? "fp32" : to_string(element.format);
}

}  // namespace

const std::vector<std::string>& flash_fields() {
  static const std::vector<std::string> names = {"flash", "flash_block", "flash_sums", "flash_delta", "flash_beta"};
  return names;
}

void set_flash_field(FlashAttention& flash, const std::string& name, const std::string& value) {
  if (name == "flash")
    flash.is_on = parse_spelling(name, value, kFlags);
  else if (name == "flash_block")
    flash.block = parse_block(name, value);
  else if (name == "flash_sums")
    flash.sums = parse_sums(value);
  else if (name == "flash_delta")
    flash.delta = parse_spelling(name, value, kDeltas);
  else if (name == "flash_beta")
    flash.beta = parse_beta(name, value);
  else
    PRECIPICE_CHECK(false, name, " is no field of flash attention");
}

void validate(const FlashAttention& flash) {
  if (!flash.is_on && !(flash == FlashAttention{}))
    throw ConfigError("flash_block, flash_sums, flash_delta and flash_beta need flash=true");
  validate(flash.sums);
}

std::string describe(const FlashAttention& flash) {
  if (!flash.is_on) return "";
  std::string text =
      join_parts("flash attention: keys in blocks of ", flash.block, ", sums in ", format_word(flash.sums), ", ");
  switch (flash.delta) {
    case FlashDelta::Rounded:
      text += "delta = rowsum(dO * O)";
      break;
    case FlashDelta::Unrounded:
      text += "delta = rowsum(dO * O) of O before it is rounded";
      break;
    case FlashDelta::Weights:
      text += "delta = rowsum(P * dP)";
      break;
  }
  return flash.beta == 0 ? text : text + join_parts(", repeated maxima moved by beta ", flash.beta);
}

}  // namespace precipice
