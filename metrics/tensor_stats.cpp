// SPDX-License-Identifier: Apache-2.0
// The table of the "tensors" group and its sums.
#include "metrics/tensor_stats.h"

#include <iterator>

#include "metrics/step_record.h"
#include "precision/check.h"

namespace precipice {
namespace {

constexpr std::size_t kNumOperands = std::size(kOperandNames);

double fraction(std::uint64_t count, std::uint64_t total) {
  return static_cast<double>(count) / static_cast<double>(total);
}

// One series of each operand: how it is named, and its value where anything was quantized.
struct Statistic {
  const char* suffix;
  const char* long_name;
  double (*value)(const EventCounts&);
};

constexpr Statistic kStatistics[] = {
    {"_saturated", "fraction of elements clamped to the largest finite value",
     [](const EventCounts& c) { return fraction(c.saturated, c.total); }},
    {"_overflowed", "fraction of elements that became infinity or NaN",
     [](const EventCounts& c) { return fraction(c.overflowed, c.total); }},
    {"_underflowed", "fraction of elements flushed from nonzero to zero",
     [](const EventCounts& c) { return fraction(c.underflowed, c.total); }},
    {"_nan", "fraction of elements that were NaN before quantizing",
     [](const EventCounts& c) { return fraction(c.nan_in, c.total); }},
    {"_amax", "largest absolute value before scaling",
     [](const EventCounts& c) { return static_cast<double>(c.amax); }},
};

}  // namespace

TensorStats::TensorStats(std::vector<std::string> sites)
    : group_{"tensors", {}, std::move(sites)}, counts_(kNumOperands * group_.sites.size()) {
  PRECIPICE_CHECK(!group_.sites.empty(), "tensor statistics need a site");
  for (const char* operand : kOperandNames)
    for (const Statistic& statistic : kStatistics)
      group_.series.push_back(
          {std::string(operand) + statistic.suffix, "1", std::string(operand) + ": " + statistic.long_name});
}

void TensorStats::clear() {
  counts_.assign(counts_.size(), EventCounts{});
}

void TensorStats::record(std::size_t site, std::size_t operand, const EventCounts& counts) {
  PRECIPICE_CHECK(site < group_.sites.size() && operand < kNumOperands, "site ", site, ", operand ", operand);
  counts_[operand * group_.sites.size() + site] += counts;
}

std::vector<double> TensorStats::values() const {
  const std::size_t sites = group_.sites.size();
  std::vector<double> row;
  row.reserve(group_.row_width());
  for (std::size_t operand = 0; operand < kNumOperands; ++operand) {
    for (const Statistic& statistic : kStatistics) {
      for (std::size_t site = 0; site < sites; ++site) {
        const EventCounts& counts = counts_[operand * sites + site];
        row.push_back(counts.total == 0 ? kNotMeasured : statistic.value(counts));
      }
    }
  }
  return row;
}

}  // namespace precipice
