// SPDX-License-Identifier: Apache-2.0
// Spellings, limits and presets of accumulators.
#include "precision/accumulator/accumulator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/spellings.h"

namespace precipice {
namespace {

constexpr Spellings<AccumulatorKind, 4> kKinds{{{"library", AccumulatorKind::Fp32},
                                                {"every", AccumulatorKind::Every},
                                                {"chunk", AccumulatorKind::Chunk},
                                                {"tensor-core", AccumulatorKind::TensorCore}}};
constexpr Spellings<bool, 2> kInner{{{"fp32", false}, {"same", true}}};
constexpr std::array kFormatOptions = {"bias", "lsb", "specials", "subnormals", "sign", "zero"};

struct IntOption {
  const char* name;
  int Accumulator::*field;
  int least, most;
};
constexpr int kManyProducts = 1 << 20;
constexpr IntOption kSize{"size", &Accumulator::chunk, 1, kManyProducts};
constexpr IntOption kRandom{"random", &Accumulator::random_bits, 1, Accumulator::kMostRandomBits};
constexpr IntOption kBits{"bits", &Accumulator::bits, 2, 30};
constexpr IntOption kGroup{"group", &Accumulator::group, 1, 1024};
constexpr IntOption kPromote{"promote", &Accumulator::promote, 0, kManyProducts};
constexpr std::array kIntOptions = {kSize, kRandom, kBits, kGroup, kPromote};

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
      return {"bits", "group", "promote", "rounding"};
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

std::string problem_of(const Accumulator& accumulator) {
  if (std::string problem = problem_of_limits(accumulator); !problem.empty()) return problem;
  if (accumulator.kind == AccumulatorKind::Every || accumulator.kind == AccumulatorKind::Chunk) {
    validate(accumulator.format);
    if (accumulator.format.sign == Sign::Unsigned || !accumulator.format.zero)
      return fmt::format("format {} must have a sign and a zero to hold sums", to_string(accumulator.format));
  }
  if (accumulator.kind == AccumulatorKind::TensorCore && accumulator.rounding != Rounding::TowardZero &&
      accumulator.rounding != Rounding::NearestEven)
    return fmt::format("rounding of tensor-core must be rtz or rne, not {}", to_string(accumulator.rounding));
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
  if (kind == AccumulatorKind::TensorCore) accumulator.rounding = Rounding::TowardZero;
  return accumulator;
}

std::optional<Accumulator> base_of(std::string_view name) {
  for (const auto& [word, kind] : kKinds) {
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

void set_option(std::string_view text, const Option& option, Accumulator& accumulator) {
  if (option.key == "format") {
    accumulator.format = parse_float_format(option.value);
  } else if (option.key == "rounding") {
    accumulator.rounding = parse_rounding(option.value);
  } else if (option.key == "overflow") {
    accumulator.overflow = parse_overflow(option.value);
  } else if (option.key == "inner") {
    accumulator.inner_rounds = parse_spelling("inner", option.value, kInner);
  } else {
    const auto* const found = std::find_if(kIntOptions.begin(), kIntOptions.end(),
                                           [&](const IntOption& candidate) { return option.key == candidate.name; });
    PRECIPICE_CHECK(found != kIntOptions.end(), "option ", option.key, " has no reader");
    const auto value = parse_number<int>(option.value);
    if (!value)
      refuse(text, fmt::format("{} must be a whole number between {} and {}, not \"{}\"", found->name, found->least,
                               found->most, option.value.substr(0, 60)));
    accumulator.*(found->field) = *value;
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
    for (const auto& spelling : kKinds) names.emplace_back(spelling.first);
    for (const PresetAccumulator& preset : preset_accumulators()) names.emplace_back(preset.name);
    refuse(text, fmt::format("must begin with one of {}{}", fmt::join(names, ", "), suggestion(name, names)));
  }
  Accumulator accumulator = *base;
  const bool is_kind = std::any_of(kKinds.begin(), kKinds.end(), [&](const auto& kind) { return name == kind.first; });
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

std::string to_string(const Accumulator& accumulator) {
  const Accumulator base = plain(accumulator.kind);
  std::vector<std::string> options;
  for (const std::string& name : options_of(accumulator.kind)) {
    if (name == "format") options.push_back("format=" + to_string(accumulator.format));
    if (name == "rounding") options.push_back("rounding=" + to_string(accumulator.rounding));
    if (name == "overflow" && accumulator.overflow != base.overflow)
      options.push_back("overflow=" + to_string(accumulator.overflow));
    if (name == "inner" && accumulator.inner_rounds)
      options.push_back("inner=" + spelling_of(accumulator.inner_rounds, kInner));
    for (const IntOption& option : kIntOptions) {
      const bool matters =
          name != "random" || (is_stochastic(accumulator.rounding) && accumulator.random_bits != base.random_bits);
      if (name == option.name && matters) options.push_back(fmt::format("{}={}", name, accumulator.*option.field));
    }
  }
  const std::string kind = spelling_of(accumulator.kind, kKinds);
  return options.empty() ? kind : fmt::format("{}:{}", kind, fmt::join(options, ","));
}

const std::vector<PresetAccumulator>& preset_accumulators() {
  static const std::vector<PresetAccumulator> presets = [] {
    Accumulator fp32;
    fp32.kind = AccumulatorKind::Every;
    const Accumulator hopper = plain(AccumulatorKind::TensorCore);
    Accumulator hopper_fast = hopper;
    hopper_fast.promote = 0;
    Accumulator fp22;
    fp22.kind = AccumulatorKind::Every;
    fp22.format = parse_float_format("e8m13");
    fp22.rounding = Rounding::TowardZero;
    Accumulator chunk64;
    chunk64.kind = AccumulatorKind::Chunk;
    chunk64.format = parse_float_format("e6m9");
    chunk64.inner_rounds = true;
    return std::vector<PresetAccumulator>{
        {"fp32", fp32, "IEEE 754 binary32, one rounding to nearest even per product, in the order of k"},
        {"hopper", hopper, "14 bits, promoted every 128: arXiv 2412.19437, section 3.3.2; group of 32 assumed"},
        {"hopper-fast", hopper_fast, "the same without promotion"},
        {"fp22", fp22, "the reading of Hopper as e8m13, truncated at every add: SageAttention 2, arXiv 2411.10958"},
        {"ibm-chunk", chunk64, "chunks of 64 in e6m9, inside and between: Wang et al., NeurIPS 2018"}};
  }();
  return presets;
}

}  // namespace precipice
