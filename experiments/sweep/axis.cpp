// SPDX-License-Identifier: Apache-2.0
#include "experiments/sweep/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "precision/base/parse_number.h"

namespace precipice {
namespace {

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string> split_at_top_level(const std::string& text, const ConfigError::Where& where) {
  std::vector<std::string> parts(1);
  std::string closers;  // of the brackets that are open
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',' && !quote && closers.empty()) {
      parts.emplace_back();
      continue;
    }
    parts.back() += c;
    if (quote) {
      if (c == '\\' && quote == '"' && i + 1 < text.size()) parts.back() += text[++i];
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '(' || c == '{') {
      closers += c == '[' ? ']' : c == '(' ? ')' : '}';
    } else if (c == ']' || c == ')' || c == '}') {
      if (closers.empty() || closers.back() != c) throw ConfigError(where, fmt::format("'{}' closes nothing", c));
      closers.pop_back();
    }
  }
  if (quote) throw ConfigError(where, fmt::format("a {} is not closed", quote));
  if (!closers.empty()) throw ConfigError(where, fmt::format("a '{}' is missing", closers.back()));
  for (std::string& part : parts) part = trimmed(part);
  return parts;
}

// The arguments of `name(...)`, or nothing when `text` is not such a call.
std::optional<std::vector<Scalar>> call_arguments(const std::string& text, const std::string& name,
                                                  const ConfigError::Where& where) {
  if (!text.starts_with(name + "(") || !text.ends_with(")")) return std::nullopt;
  std::vector<Scalar> arguments;
  for (const std::string& part :
       split_at_top_level(text.substr(name.size() + 1, text.size() - name.size() - 2), where)) {
    bool is_array = false;
    const std::vector<Scalar> value = parse_value(part, is_array, where);
    if (is_array) throw ConfigError(where, name + " takes numbers, not arrays");
    arguments.push_back(value.front());
  }
  return arguments;
}

std::vector<AxisValue> expand_range(const std::vector<Scalar>& arguments, const ConfigError::Where& where) {
  const char* expected = "range(first, end) or range(first, end, step) takes integers, step not 0; end is left out";
  if (arguments.size() < 2 || arguments.size() > 3) throw ConfigError(where, expected);
  // 128 bits: end - first of any two int64 must not overflow.
  __int128 numbers[3] = {0, 0, 1};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto* number = std::get_if<std::int64_t>(&arguments[i]);
    if (!number) throw ConfigError(where, expected);
    numbers[i] = *number;
  }
  const auto [first, end, step] = numbers;
  if (step == 0) throw ConfigError(where, expected);
  const __int128 span = step > 0 ? end - first : first - end, stride = step > 0 ? step : -step;
  if (span <= 0) throw ConfigError(where, "the range is empty");
  const __int128 count = (span + stride - 1) / stride;
  if (count > static_cast<__int128>(kMaxRuns))
    throw ConfigError(where, fmt::format("a sweep has at most {} runs, this range has more values", kMaxRuns));
  std::vector<AxisValue> values;
  for (__int128 i = 0; i < count; ++i) values.push_back({{static_cast<std::int64_t>(first + i * step)}, false});
  return values;
}

// The whole numbers of a text like 0..7 or 0:8:2; nothing where it is something else, also a number beyond 64 bits.
std::optional<std::vector<Scalar>> whole_numbers(const std::string& text, const std::string& separator) {
  std::vector<Scalar> numbers;
  std::size_t start = 0;
  while (true) {
    const std::size_t end = std::min(text.find(separator, start), text.size());
    const auto number = parse_number<std::int64_t>(std::string_view(text).substr(start, end - start));
    if (!number) return std::nullopt;
    numbers.push_back(*number);
    if (end == text.size()) return numbers;
    start = end + separator.size();
  }
}

// 0..7 with both ends, 0:8 and 0:8:2 as range() has them.
std::optional<std::vector<AxisValue>> expand_interval(const std::string& text, const ConfigError::Where& where) {
  if (auto closed = whole_numbers(text, ".."); closed && closed->size() == 2) {
    auto& last = std::get<std::int64_t>(closed->back());
    if (last < std::get<std::int64_t>(closed->front()))
      throw ConfigError(where, "first..last counts upwards and holds both ends");
    if (last == std::numeric_limits<std::int64_t>::max()) throw ConfigError(where, "the last number is too large");
    ++last;
    return expand_range(*closed, where);
  }
  const auto open = whole_numbers(text, ":");
  if (open && open->size() > 1) return expand_range(*open, where);
  return std::nullopt;
}

double six_digits(double value) {
  return std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr);
}

std::vector<AxisValue> expand_logspace(const std::vector<Scalar>& arguments, const ConfigError::Where& where) {
  const std::string expected =
      fmt::format("logspace(first, last, count) takes two positive finite numbers and a count from 2 to {}", kMaxRuns);
  if (arguments.size() != 3) throw ConfigError(where, expected);
  double ends[2];
  for (int i = 0; i < 2; ++i) {
    const auto* real = std::get_if<double>(&arguments[i]);
    const auto* integer = std::get_if<std::int64_t>(&arguments[i]);
    ends[i] = real ? *real : integer ? static_cast<double>(*integer) : -1;
    if (!(ends[i] > 0 && std::isfinite(ends[i]))) throw ConfigError(where, expected);
  }
  const auto* count = std::get_if<std::int64_t>(&arguments[2]);
  if (!count || *count < 2 || *count > static_cast<std::int64_t>(kMaxRuns)) throw ConfigError(where, expected);
  const double from = std::log(ends[0]), to = std::log(ends[1]);
  std::vector<AxisValue> values;
  for (std::int64_t i = 0; i < *count; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(*count - 1);
    // The ends are the user's own numbers, whatever exp(log(x)) makes of them.
    const double value = i == 0 ? ends[0] : i == *count - 1 ? ends[1] : six_digits(std::exp(from + t * (to - from)));
    values.push_back({{value}, false});
  }
  return values;
}

std::vector<AxisValue> array_values(const std::vector<Scalar>& elements, KeyKind kind) {
  if (kind == KeyKind::List) return {{elements, true}};
  std::vector<AxisValue> values;
  for (const Scalar& element : elements) values.push_back({{element}, false});
  return values;
}

std::vector<AxisValue> expand_part(const std::string& part, KeyKind kind, const ConfigError::Where& where) {
  if (const auto range = call_arguments(part, "range", where)) return expand_range(*range, where);
  if (const auto logspace = call_arguments(part, "logspace", where)) return expand_logspace(*logspace, where);
  if (kind == KeyKind::Single)
    if (auto interval = expand_interval(part, where)) return *std::move(interval);
  bool is_array = false;
  const std::vector<Scalar> values = parse_value(part, is_array, where);
  if (is_array) return array_values(values, kind);
  if (kind == KeyKind::Text && !std::holds_alternative<std::string>(values.front())) return {{{part}, false}};
  return {{values, false}};
}

std::vector<AxisValue> nonempty(std::vector<AxisValue> values, const ConfigError::Where& where) {
  if (values.empty()) throw ConfigError(where, "an empty array has no values to sweep");
  return values;
}

}  // namespace

std::vector<AxisValue> parse_axis(const std::string& text, KeyKind kind, const ConfigError::Where& where) {
  std::vector<AxisValue> all;
  const std::vector<std::string> parts = split_at_top_level(text, where);
  for (const std::string& part : parts) {
    // Nothing at all may be a text's value, and what the key makes of it is its own business.
    if (part.empty() && (parts.size() > 1 || kind != KeyKind::Text)) throw ConfigError(where, "a value is missing");
    const std::vector<AxisValue> values = expand_part(part, kind, where);
    all.insert(all.end(), values.begin(), values.end());
    if (all.size() > kMaxRuns) throw ConfigError(where, fmt::format("a sweep has at most {} runs", kMaxRuns));
  }
  return nonempty(std::move(all), where);
}

std::vector<AxisValue> axis_values(const Setting& setting, KeyKind kind) {
  if (setting.is_array) return nonempty(array_values(setting.values, kind), setting.where);
  const auto* text = std::get_if<std::string>(&setting.values.front());
  if (text) return parse_axis(*text, kind, setting.where);
  return {{setting.values, false}};
}

std::string to_toml(const AxisValue& value) {
  if (!value.is_array) return to_toml(value.values.front());
  std::string text;
  for (const Scalar& element : value.values) text += (text.empty() ? "" : ", ") + to_toml(element);
  return "[" + text + "]";
}

std::string to_text(const AxisValue& value) {
  const auto* text = value.is_array ? nullptr : std::get_if<std::string>(&value.values.front());
  return text ? *text : to_toml(value);
}

}  // namespace precipice
