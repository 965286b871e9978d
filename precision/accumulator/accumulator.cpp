// SPDX-License-Identifier: Apache-2.0
// Spellings, limits and presets of accumulators.
#include "precision/accumulator/accumulator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "precision/accumulator/accumulator_presets.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"

namespace precipice {
namespace {

constexpr Spellings<AccumulatorKind, 6> kAccumulatorKinds{{{"library", AccumulatorKind::Fp32},
                                                           {"every", AccumulatorKind::Every},
                                                           {"chunk", AccumulatorKind::Chunk},
                                                           {"tensor-core", AccumulatorKind::TensorCore},
                                                           {"matrix-core", AccumulatorKind::MatrixCore},
                                                           {"native", AccumulatorKind::Native}}};
constexpr Spellings<Hardware, 6> kHardware{{{"unknown", Hardware::Unknown},
                                            {"ampere", Hardware::Ampere},
                                            {"ada", Hardware::Ada},
                                            {"hopper", Hardware::Hopper},
                                            {"blackwell", Hardware::Blackwell},
                                            {"cdna3", Hardware::Cdna3}}};
constexpr Spellings<bool, 2> kInner{{{"fp32", false}, {"same", true}}};
constexpr Spellings<Alignment, 2> kAlignments{{{"value", Alignment::Value}, {"operands", Alignment::Operands}}};
constexpr Spellings<RegisterPart, 2> kRegisterParts{
    {{"aligned", RegisterPart::Aligned}, {"added", RegisterPart::Added}}};
constexpr Spellings<BlockScales, 3> kBlockScales{
    {{"sums", BlockScales::Sums}, {"terms", BlockScales::Terms}, {"groups", BlockScales::Groups}}};
constexpr std::array kFormatOptions = {"bias", "lsb", "specials", "subnormals", "sign", "zero"};

struct IntOption {
  const char* name;
  int Accumulator::*field;
  int least, most;
};
constexpr int kManyProducts = 1 << 20;
constexpr std::array kIntOptions = {IntOption{"size", &Accumulator::chunk, 1, kManyProducts},
                                    IntOption{"random", &Accumulator::random_bits, 1, Accumulator::kMostRandomBits},
                                    IntOption{"bits", &Accumulator::bits, 2, 36},
                                    IntOption{"group", &Accumulator::group, 1, 1024},
                                    IntOption{"promote", &Accumulator::promote, 0, kManyProducts},
                                    IntOption{"split", &Accumulator::split, 1, 1024},
                                    IntOption{"lowest", &Accumulator::lowest, -900, 0},
                                    IntOption{"scale_emin", &Accumulator::scale_emin, -1000, 0},
                                    IntOption{"halves", &Accumulator::halves, 1, 2}};

// The options that a kind has, in the order of to_string.
std::vector<std::string> options_of(AccumulatorKind kind) {
  switch (kind) {
    case AccumulatorKind::Fp32:
      return {};
    case AccumulatorKind::Every:
      return {"format", "rounding", "overflow", "random"};
    case AccumulatorKind::Chunk:
      return {"size", "format", "inner", "rounding", "overflow", "random"};
    case AccumulatorKind::TensorCore:
      return {"align",    "bits",   "group",      "promote", "rounding", "lowest",
              "register", "scales", "scale_emin", "split",   "operands"};
    case AccumulatorKind::MatrixCore:
      return {"bits", "group", "halves", "operands"};
    case AccumulatorKind::Native:
      return {"hardware", "promote"};
  }
  __builtin_unreachable();
}

std::string problem_of_limits(const Accumulator& accumulator) {
  const std::vector<std::string> options = options_of(accumulator.kind);
  for (const IntOption& option : kIntOptions) {
    if (std::find(options.begin(), options.end(), option.name) == options.end()) continue;
    const int value = accumulator.*option.field;
    if (value < option.least || value > option.most)
      return fmt::format("{} must be between {} and {}, not {}", option.name, option.least, option.most, value);
  }
  return "";
}

std::string problem_of_tensor_core(const Accumulator& a) {
  if (a.rounding != Rounding::TowardZero && a.rounding != Rounding::NearestEven)
    return fmt::format("rounding of tensor-core must be rtz or rne, not {}", to_string(a.rounding));
  const bool by_operands = a.alignment == Alignment::Operands;
  if (!by_operands && a.bits > 30) return fmt::format("bits of align=value must be between 2 and 30, not {}", a.bits);
  for (const auto& [is_set, option] : {std::pair{a.block_scales != BlockScales::Sums, "scales"},
                                       {a.register_part != RegisterPart::Aligned, "register"},
                                       {a.operands != OperandSet::Any, "operands"},
                                       {a.split != 1, "split"}})
    if (is_set && !by_operands) return fmt::format("{} needs align=operands", option);
  if (a.block_scales == BlockScales::Groups && a.group % kProductsToScaleGroup != 0)
    return fmt::format("scales=groups needs a group of whole {}, not {}", kProductsToScaleGroup, a.group);
  if (a.block_scales != BlockScales::Groups && a.scale_emin != Accumulator{}.scale_emin)
    return "scale_emin needs scales=groups";
  if (a.block_scales == BlockScales::Groups && a.register_part == RegisterPart::Added)
    return "register=added is not for scales=groups";
  return "";
}

std::string problem_of(const Accumulator& accumulator) {
  if (std::string problem = problem_of_limits(accumulator); !problem.empty()) return problem;
  if (accumulator.kind == AccumulatorKind::Every || accumulator.kind == AccumulatorKind::Chunk) {
    validate(accumulator.format);
    if (accumulator.format.sign == Sign::Unsigned || !accumulator.format.zero)
      return fmt::format("format {} must have a sign and a zero to hold sums", to_string(accumulator.format));
  }
  if (accumulator.kind == AccumulatorKind::TensorCore) return problem_of_tensor_core(accumulator);
  if (accumulator.kind == AccumulatorKind::MatrixCore && accumulator.bits > 30)
    return fmt::format("bits of matrix-core must be between 2 and 30, not {}", accumulator.bits);
  return "";
}

[[noreturn]] void refuse(std::string_view text, const std::string& problem) {
  throw ConfigError(fmt::format("accumulator \"{}\": {}", text.substr(0, 100), problem));
}

template <class Range>
std::string suggestion(std::string_view word, const Range& candidates) {
  const std::string nearest = nearest_word(std::string(word.substr(0, 60)), candidates);
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
}

Accumulator plain(AccumulatorKind kind) {
  Accumulator accumulator;
  accumulator.kind = kind;
  const bool is_unit = kind == AccumulatorKind::TensorCore || kind == AccumulatorKind::MatrixCore;
  if (is_unit) accumulator.rounding = Rounding::TowardZero;
  if (kind == AccumulatorKind::MatrixCore) accumulator.bits = 25, accumulator.group = 8;
  return accumulator;
}

std::optional<Accumulator> base_of(std::string_view name) {
  for (const auto& [word, kind] : kAccumulatorKinds) {
    if (name == word) return plain(kind);
  }
  for (const PresetAccumulator& preset : preset_accumulators()) {
    if (name == preset.name) return preset.accumulator;
  }
  return std::nullopt;
}

struct Option {
  std::string_view key;
  std::string value;
};

// Cut at commas; what is an option of a format goes back to the format before it.
std::vector<Option> split_options(std::string_view text, std::string_view list) {
  std::vector<Option> options;
  bool in_format = false, format_has_options = false;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string_view item = list.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    if (equals == std::string_view::npos) refuse(text, fmt::format("\"{}\" must be OPTION=VALUE", item.substr(0, 60)));
    if (in_format && std::find(kFormatOptions.begin(), kFormatOptions.end(), key) != kFormatOptions.end()) {
      options.back().value += (format_has_options ? "," : ":") + std::string(item);
      format_has_options = true;
      continue;
    }
    options.push_back({key, std::string(item.substr(equals + 1))});
    in_format = key == "format";
    format_has_options = in_format && item.find(':') != std::string_view::npos;
  }
  return options;
}

void set_int_option(std::string_view text, const Option& option, Accumulator& accumulator) {
  const auto* const found = std::find_if(kIntOptions.begin(), kIntOptions.end(),
                                         [&](const IntOption& candidate) { return option.key == candidate.name; });
  PRECIPICE_CHECK(found != kIntOptions.end(), "option ", option.key, " has no reader");
  const auto value = parse_number<int>(option.value);
  if (!value)
    refuse(text, fmt::format("{} must be a whole number between {} and {}, not \"{}\"", found->name, found->least,
                             found->most, option.value.substr(0, 60)));
  accumulator.*(found->field) = *value;
}

void set_option(std::string_view text, const Option& option, Accumulator& accumulator) {
  if (option.key == "format") {
    accumulator.format = parse_float_format(option.value);
  } else if (option.key == "rounding") {
    accumulator.rounding = parse_rounding(option.value);
  } else if (option.key == "overflow") {
    accumulator.overflow = parse_overflow(option.value);
  } else if (option.key == "inner") {
    accumulator.inner_rounds = parse_spelling("inner", option.value, kInner);
  } else if (option.key == "align") {
    accumulator.alignment = parse_spelling("align", option.value, kAlignments);
  } else if (option.key == "register") {
    accumulator.register_part = parse_spelling("register", option.value, kRegisterParts);
  } else if (option.key == "scales") {
    accumulator.block_scales = parse_spelling("scales", option.value, kBlockScales);
  } else if (option.key == "hardware") {
    accumulator.hardware = parse_spelling("hardware", option.value, kHardware);
  } else if (option.key == "operands") {
    accumulator.operands = parse_spelling("operands", option.value, kOperandSets);
  } else {
    set_int_option(text, option, accumulator);
  }
}

void set_options(std::string_view text, std::string_view name, std::string_view list, Accumulator& accumulator) {
  const std::vector<std::string> allowed = options_of(accumulator.kind);
  std::set<std::string_view> seen;
  for (const Option& option : split_options(text, list)) {
    if (std::find(allowed.begin(), allowed.end(), option.key) == allowed.end())
      refuse(text, allowed.empty()
                       ? fmt::format("{} takes no options", name)
                       : fmt::format("\"{}\" is not an option of {}; options are {}={}", option.key.substr(0, 60), name,
                                     fmt::join(allowed, "=, "), suggestion(option.key, allowed)));
    if (!seen.insert(option.key).second) refuse(text, fmt::format("{} is given twice", option.key));
    try {
      set_option(text, option, accumulator);
    } catch (const ConfigError& error) {
      if (error.problem().rfind("accumulator", 0) == 0) throw;
      refuse(text, error.problem());
    }
  }
}

std::string value_of(const Accumulator& accumulator, std::string_view option) {
  if (option == "format") return to_string(accumulator.format);
  if (option == "rounding") return to_string(accumulator.rounding);
  if (option == "overflow") return to_string(accumulator.overflow);
  if (option == "inner") return spelling_of(accumulator.inner_rounds, kInner);
  if (option == "align") return spelling_of(accumulator.alignment, kAlignments);
  if (option == "register") return spelling_of(accumulator.register_part, kRegisterParts);
  if (option == "scales") return spelling_of(accumulator.block_scales, kBlockScales);
  if (option == "operands") return spelling_of(accumulator.operands, kOperandSets);
  if (option == "hardware") return spelling_of(accumulator.hardware, kHardware);
  for (const IntOption& candidate : kIntOptions)
    if (option == candidate.name) return std::to_string(accumulator.*(candidate.field));
  PRECIPICE_CHECK(false, "option ", option, " has no value");
}

}  // namespace

void validate(const Accumulator& accumulator) {
  const std::string problem = problem_of(accumulator);
  if (!problem.empty()) throw ConfigError("accumulator: " + problem);
}

Accumulator parse_accumulator(std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view name = text.substr(0, colon);
  const std::optional<Accumulator> base = base_of(name);
  if (!base) {
    std::vector<std::string> names;
    for (const auto& spelling : kAccumulatorKinds) names.emplace_back(spelling.first);
    for (const PresetAccumulator& preset : preset_accumulators()) names.emplace_back(preset.name);
    refuse(text, fmt::format("must begin with one of {}{}", fmt::join(names, ", "), suggestion(name, names)));
  }
  Accumulator accumulator = *base;
  const bool is_kind = std::any_of(kAccumulatorKinds.begin(), kAccumulatorKinds.end(),
                                   [&](const auto& kind) { return name == kind.first; });
  const std::vector<std::string> allowed = options_of(accumulator.kind);
  const std::string_view list = text.substr(std::min(colon + 1, text.size()));
  const bool takes_format = std::find(allowed.begin(), allowed.end(), "format") != allowed.end();
  if (is_kind && takes_format && (":" + std::string(list)).find("format=") == std::string::npos)
    refuse(text, fmt::format("needs a format, as in {}:format=e8m13", name));
  if (colon < text.size()) set_options(text, name, list, accumulator);
  const std::string problem = problem_of(accumulator);
  if (!problem.empty()) refuse(text, problem);
  return accumulator;
}

std::string to_string(Hardware hardware) {
  return spelling_of(hardware, kHardware);
}

std::string to_string(const Accumulator& accumulator) {
  const Accumulator base = plain(accumulator.kind);
  // What is always said, and what only where it is not the kind's default.
  const auto is_said = [&](std::string_view name) {
    if (name == "overflow") return accumulator.overflow != base.overflow;
    if (name == "inner") return accumulator.inner_rounds;
    if (name == "random") return is_stochastic(accumulator.rounding) && accumulator.random_bits != base.random_bits;
    if (name == "lowest") return accumulator.lowest != base.lowest;
    if (name == "register") return accumulator.register_part != base.register_part;
    if (name == "scales") return accumulator.block_scales != base.block_scales;
    if (name == "split") return accumulator.split != base.split;
    if (name == "scale_emin") return accumulator.scale_emin != base.scale_emin;
    if (name == "hardware") return accumulator.hardware != base.hardware;
    if (name == "operands") return accumulator.operands != base.operands;
    return true;
  };
  std::vector<std::string> options;
  for (const std::string& name : options_of(accumulator.kind))
    if (is_said(name)) options.push_back(name + "=" + value_of(accumulator, name));
  const std::string kind = spelling_of(accumulator.kind, kAccumulatorKinds);
  return options.empty() ? kind : fmt::format("{}:{}", kind, fmt::join(options, ","));
}

}  // namespace precipice
