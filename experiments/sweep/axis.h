// SPDX-License-Identifier: Apache-2.0
// The grammar of sweep values, as Hydra's users know it:
//   a,b,c              comma-separated values (commas inside quotes and brackets do not separate)
//   range(0,3)         0, 1, 2; an optional third number is the step
//   0:3                the same, 0:6:2 with a step
//   0..2               0, 1, 2: both ends; these two need no quotes in a shell, and text keys keep them as text
//   logspace(a,b,n)    n values from a to b inclusive, evenly spaced in log; inner ones rounded to 6 significant digits
//   [a, b, c]          a TOML array: its elements (for a key whose value is itself a list: the one list)
// Each part between top-level commas may be any of these; their values follow each other.
#pragma once

#include <string>
#include <vector>

#include "train/config/settings.h"

namespace precipice {

inline constexpr std::size_t kMaxRuns = 10'000;  // of one sweep, so also of one axis

// What a key takes, which decides how a part is read: text keys keep `2024` and `true` as text.
enum class KeyKind { Single, Text, List };

// One value that a key takes: a scalar, or a list for a key whose value is a list.
struct AxisValue {
  std::vector<Scalar> values;
  bool is_array = false;
  bool operator==(const AxisValue&) const = default;
};

// Throws ConfigError with `where`. Never empty.
std::vector<AxisValue> parse_axis(const std::string& text, KeyKind kind, const ConfigError::Where& where);

// The values of a setting that was read as TOML: text is an expression, an array its elements.
std::vector<AxisValue> axis_values(const Setting& setting, KeyKind kind);

std::string to_toml(const AxisValue& value);
std::string to_text(const AxisValue& value);  // for people: no quotes around text

}  // namespace precipice
