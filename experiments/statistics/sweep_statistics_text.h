// SPDX-License-Identifier: Apache-2.0
// The statistics of a sweep for people: a table of cells, then a sentence for each comparison.
#pragma once

#include <string>

#include "experiments/statistics/sweep_statistics.h"

namespace precipice {

std::string statistics_text(const SweepStatistics& statistics);

std::string rate_text(double learning_rate);  // "0.003"
// By the format, or "inf", "-inf" and "-" for NaN.
std::string number_text(double value, const char* format);
std::string p_text(double p);  // "0.04", or "none"

}  // namespace precipice
