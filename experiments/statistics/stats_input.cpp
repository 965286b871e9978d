// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/stats_input.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "experiments/console/json_numbers.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::size_t kMaxShown = 60;  // characters of a value in a message

std::string shown(const Json& json) {
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= kMaxShown ? text : text.substr(0, kMaxShown) + "...";
}

}  // namespace

Json StatsInput::parse(const std::string& text) {
  Json json;
  try {
    json = parse_json_input(text);
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("standard input: no JSON: {}", error.what()));
  }
  if (!json.is_object()) throw DataError("standard input: must be a JSON object, see precipice stats --help");
  return json;
}

void StatsInput::refuse(const std::string& problem) const {
  throw DataError(fmt::format("standard input: {} = {}: {}", place_, shown(json_), problem));
}

void StatsInput::allow_keys(const std::vector<std::string>& keys) const {
  if (!json_.is_object()) refuse("must be an object");
  for (const auto& [key, value] : json_.items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    const std::string near = nearest_word(key, keys);
    throw DataError(fmt::format("standard input: {}{}{}: unknown key{}; known are {}", place_,
                                place_.empty() ? "" : ".", key,
                                near.empty() ? "" : fmt::format(", did you mean {}?", near), fmt::join(keys, ", ")));
  }
}

StatsInput StatsInput::at(const char* key) const {
  if (!json_.is_object()) refuse("must be an object");
  if (!json_.contains(key)) refuse(fmt::format("{} is missing", key));
  return {json_.at(key), place_.empty() ? key : place_ + "." + key};
}

std::vector<StatsInput> StatsInput::elements() const {
  if (!json_.is_array()) refuse("must be a list");
  std::vector<StatsInput> list;
  for (std::size_t i = 0; i < json_.size(); ++i) list.emplace_back(json_[i], fmt::format("{}[{}]", place_, i));
  return list;
}

std::string StatsInput::text() const {
  if (!json_.is_string()) refuse("must be a text");
  return json_.get<std::string>();
}

bool StatsInput::boolean() const {
  if (json_.is_boolean()) return json_.get<bool>();
  if (json_.is_number_integer() && (json_ == 0 || json_ == 1)) return json_ == 1;
  refuse("must be true, false, 1 or 0");
}

std::int64_t StatsInput::whole(std::int64_t least, std::int64_t most) const {
  // A number beyond 2^63 is unsigned or real to the parser, and out of every range here.
  const bool fits =
      json_.is_number_integer() &&
      (!json_.is_number_unsigned() ||
       json_.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  if (!fits || json_.get<std::int64_t>() < least || json_.get<std::int64_t>() > most)
    refuse(fmt::format("must be a whole number from {} to {}", least, most));
  return json_.get<std::int64_t>();
}

double StatsInput::number(double least, double most) const {
  if (!json_.is_number() || !(json_.get<double>() >= least) || !(json_.get<double>() <= most))
    refuse(fmt::format("must be a number from {} to {}", least, most));
  return json_.get<double>();
}

double StatsInput::number_or_infinity() const {
  if (json_ == "inf") return std::numeric_limits<double>::infinity();
  if (json_ == "-inf") return -std::numeric_limits<double>::infinity();
  if (!json_.is_number()) refuse("must be a number, \"inf\" or \"-inf\"");
  return json_.get<double>();
}

std::vector<double> StatsInput::numbers(bool with_infinities) const {
  constexpr double kLargest = std::numeric_limits<double>::max();
  std::vector<double> values;
  for (const StatsInput& element : elements())
    values.push_back(with_infinities ? element.number_or_infinity() : element.number(-kLargest, kLargest));
  return values;
}

}  // namespace precipice
