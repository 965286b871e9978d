// SPDX-License-Identifier: Apache-2.0
// What a format is compared with: the format that has the reference's value in one key and agrees in all others, so that
// with an LM head as an axis E8M1 is set against BF16 of the same head, and never against BF16 of another. Keys of the
// precision are compared; where none varies, all keys are. Other keys (a width, a number of steps) are held equal.
#pragma once

#include <string>
#include <vector>

#include "experiments/statistics/sweep_data.h"

namespace precipice {

struct ComparedFormats {
  std::string format, reference;
  std::vector<std::string> differs;  // keys: one, or several where no format differs in one alone
};

// In the order of the formats. A format may stand in several pairs, one for each key.
std::vector<ComparedFormats> compared_formats(const SweepData& data);

// Formats, the reference apart, that no pair has: with nothing that is equal in the other keys.
std::vector<std::string> formats_without_reference(const SweepData& data);

}  // namespace precipice
