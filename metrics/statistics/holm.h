// SPDX-License-Identifier: Apache-2.0
// Holm 1979: p values adjusted for the number of comparisons shown, so that the chance of any false one among them
// stays below the level: sorted rising, the i-th of m becomes max over j <= i of min(1, (m - j + 1) p_j).
#pragma once

#include <span>
#include <vector>

namespace precipice {

// In the order of the input. NaN (a comparison that could not be made) stays NaN and does not count.
std::vector<double> holm_adjusted(std::span<const double> p_values);

}  // namespace precipice
