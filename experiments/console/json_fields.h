// SPDX-License-Identifier: Apache-2.0
// Reports are structs. Each names its fields once, in the order in which they are printed, for whoever asks:
//   template <class Visit> void visit_fields(const Cell& cell, const Visit& visit) { visit("runs", cell.runs); ... }
// and json_of() makes JSON of it: objects of structs, arrays of ranges and intervals, null of an empty optional. A key
// that is there only at times is visited only at times.
#pragma once

#include <concepts>
#include <nlohmann/json.hpp>
#include <optional>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "experiments/console/json_numbers.h"
#include "metrics/statistics/distributions.h"

namespace precipice {

using Json = nlohmann::ordered_json;

// An object whose keys are data.
template <class Value>
using Keyed = std::vector<std::pair<std::string, Value>>;

// What becomes of numbers: finite_or_null or finite_or_word (json_numbers.h).
using NumberJson = Json (*)(double);

struct IgnoreField {
  void operator()(const auto&, const auto&) const {}
};
template <class Value>
concept HasFields = requires(const Value& value) {
  visit_fields(value, IgnoreField{});
};

template <NumberJson kNumber, class Value>
Json json_of(const Value& value);

template <NumberJson kNumber>
struct JsonEncoder {
  Json operator()(double value) const { return kNumber(value); }
  Json operator()(const std::string& text) const { return text; }
  Json operator()(const char* text) const { return text; }
  template <std::integral Number>
  Json operator()(Number value) const {
    return value;
  }
  Json operator()(const Interval& interval) const {
    return Json::array({kNumber(interval.low), kNumber(interval.high)});
  }
  template <class Value>
  Json operator()(const std::optional<Value>& value) const {
    return value ? (*this)(*value) : Json();
  }
  template <class... Values>
  Json operator()(const std::variant<Values...>& value) const {
    return std::visit(*this, value);
  }
  template <class Value>
  Json operator()(const Keyed<Value>& entries) const {
    Json json = Json::object();
    for (const auto& [key, value] : entries) json[key] = (*this)(value);
    return json;
  }
  template <std::ranges::range Values>
  Json operator()(const Values& values) const {
    Json json = Json::array();
    for (const auto& value : values) json.push_back((*this)(value));
    return json;
  }
  template <HasFields Value>
  Json operator()(const Value& value) const {
    Json json = Json::object();
    visit_fields(value, [&](const auto& key, const auto& field) { json[key] = (*this)(field); });
    return json;
  }
};

template <NumberJson kNumber, class Value>
Json json_of(const Value& value) {
  return JsonEncoder<kNumber>{}(value);
}

// "reason", where there is one.
template <class Visit>
void visit_reason(const std::string& reason, const Visit& visit) {
  if (!reason.empty()) visit("reason", reason);
}

}  // namespace precipice
