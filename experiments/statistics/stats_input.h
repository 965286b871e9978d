// SPDX-License-Identifier: Apache-2.0
// Strict reading of the JSON that `precipice stats` gets: every value is checked where it is taken, and a message names
// its place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/console/json_fields.h"

namespace precipice {

// A value and the path to it, "counts[1].events".
class StatsInput {
 public:
  // Throws DataError when the text is no JSON object.
  static Json parse(const std::string& text);

  StatsInput(const Json& json, std::string place) : json_(json), place_(std::move(place)) {}

  void allow_keys(const std::vector<std::string>& keys) const;  // of an object
  bool has(const char* key) const { return json_.contains(key); }
  StatsInput at(const char* key) const;  // throws where it is missing
  bool is_list() const { return json_.is_array(); }
  std::vector<StatsInput> elements() const;

  std::string text() const;
  bool boolean() const;
  std::int64_t whole(std::int64_t least, std::int64_t most) const;
  double number(double least, double most) const;  // finite
  double number_or_infinity() const;               // also "inf" and "-inf"
  std::vector<double> numbers(bool with_infinities) const;

  [[noreturn]] void refuse(const std::string& problem) const;

 private:
  const Json& json_;
  std::string place_;
};

}  // namespace precipice
