// SPDX-License-Identifier: Apache-2.0
// What a sweep's number of seeds can tell, before it is run: the line that `sweep --dry-run` prints.
#pragma once

#include <string>
#include <vector>

#include "experiments/sweep/sweep.h"

namespace precipice {

// "8 seeds a cell, 2 cells to compare ...". The comparison is that of two cells: Fisher's test of their diverged runs,
// and the paired t test of their final losses, at 5 % with a power of 80 %; and how many pairs that differ the exact test of
// pairs needs to decide the first of all comparisons with one cell by Holm's rule.
std::string power_line(const Sweep& sweep, const std::vector<SweepRun>& runs);

}  // namespace precipice
