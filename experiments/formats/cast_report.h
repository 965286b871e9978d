// SPDX-License-Identifier: Apache-2.0
// What `precipice cast` says in words: a table of numbers given on the command line, and the counters of a stream.
#pragma once

#include <string>
#include <vector>

#include "experiments/formats/cast_stream.h"

namespace precipice {

struct CastNumber {
  std::string text;    // as the user wrote it
  double value = 0.0;  // rounded once, from here
};

// Decimal or hexadecimal, with an exponent; inf, nan. Throws ConfigError naming the word.
CastNumber parse_number(const std::string& text);

// A row per number: result, code in fields and hexadecimal, relative error, event. Number i takes random word
// first_element + i. Events are added to `counts`.
std::string cast_table(const std::vector<CastNumber>& numbers, const CastSpec& spec, EventCounts& counts);

// Format, rounding, overflow, number of elements, and the events.
std::string counters_json(const CastSpec& spec, const EventCounts& counts);

}  // namespace precipice
