// SPDX-License-Identifier: Apache-2.0
// The table of the "tensors" group and its sums.
#include "metrics/tensors/tensor_stats.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "metrics/curvature/vector_clones.h"
#include "metrics/log/step_record.h"
#include "precision/base/check.h"
#include "precision/base/host_device.h"

namespace precipice {
namespace {

constexpr std::size_t kNumOperands = std::size(kOperandNames);
constexpr std::size_t kStatLanes = 16;

double fraction(std::uint64_t count, std::uint64_t total) {
  return static_cast<double>(count) / static_cast<double>(total);
}

double sqnr(const RoundingError& e) {
  return e.signal > 0 ? 10 * std::log10(e.signal / e.error) : kNotMeasured;
}

PRECIPICE_HD float widened(float x) {
  return x;
}
PRECIPICE_HD float widened(std::uint16_t bf16) {
  return __builtin_bit_cast(float, std::uint32_t{bf16} << 16);
}

// Of a multiple of kStatLanes elements, element i into lane i % kStatLanes.
template <class Rounded>
PRECIPICE_HD void add_squares_of(const float* x, const Rounded* rounded, std::size_t size, double scale, double* signal,
                                 double* error) {
  double signals[kStatLanes] = {}, errors[kStatLanes] = {};
  for (std::size_t i = 0; i < size; i += kStatLanes)
    for (std::size_t lane = 0; lane < kStatLanes; ++lane) {
      const double value = x[i + lane], difference = scale * double{widened(rounded[i + lane])} - value;
      signals[lane] += value * value;
      errors[lane] += difference * difference;
    }
  std::copy_n(signals, kStatLanes, signal);
  std::copy_n(errors, kStatLanes, error);
}
PRECIPICE_CLONES void add_squares(const float* x, const float* rounded, std::size_t size, double scale, double* signal,
                                  double* error) {
  add_squares_of(x, rounded, size, scale, signal, error);
}
PRECIPICE_CLONES void add_squares(const float* x, const std::uint16_t* rounded, std::size_t size, double scale,
                                  double* signal, double* error) {
  add_squares_of(x, rounded, size, scale, signal, error);
}

template <class Rounded>
RoundingError rounding_error_of(std::span<const float> x, std::span<const Rounded> rounded, float scale) {
  PRECIPICE_CHECK(x.size() == rounded.size(), x.size(), " and ", rounded.size(), " elements");
  double signal[kStatLanes] = {}, error[kStatLanes] = {};
  const std::size_t whole = x.size() / kStatLanes * kStatLanes;
  add_squares(x.data(), rounded.data(), whole, scale, signal, error);
  for (std::size_t i = whole; i < x.size(); ++i) {
    const double value = x[i], difference = double{scale} * double{widened(rounded[i])} - value;
    signal[0] += value * value;
    error[0] += difference * difference;
  }
  RoundingError sum{0, 0, scale};
  for (std::size_t lane = 0; lane < kStatLanes; ++lane) sum.signal += signal[lane], sum.error += error[lane];
  return sum;
}

}  // namespace

// One series of each operand: how it is named, and its value where anything was quantized.
struct TensorStats::Statistic {
  const char* suffix;
  const char* units;
  const char* long_name;
  double (*value)(const Entry&);
};

const TensorStats::Statistic TensorStats::kStatistics[] = {
    {"_saturated", "1", "fraction of elements clamped to the largest finite value",
     [](const Entry& e) { return fraction(e.counts.saturated, e.counts.total); }},
    {"_overflowed", "1", "fraction of elements that became infinity or NaN",
     [](const Entry& e) { return fraction(e.counts.overflowed, e.counts.total); }},
    {"_underflowed", "1", "fraction of elements flushed from nonzero to zero",
     [](const Entry& e) { return fraction(e.counts.underflowed, e.counts.total); }},
    {"_nan", "1", "fraction of elements that were NaN before quantizing",
     [](const Entry& e) { return fraction(e.counts.nan_in, e.counts.total); }},
    {"_amax", "1", "largest absolute value before scaling",
     [](const Entry& e) { return static_cast<double>(e.counts.amax); }},
    {"_sqnr", "dB", "signal over the error of rounding",
     [](const Entry& e) { return e.has_rounding ? sqnr(e.rounding) : kNotMeasured; }},
    {"_scale", "1", "largest factor that takes rounded values back",
     [](const Entry& e) { return e.has_rounding ? e.rounding.scale : kNotMeasured; }},
};

RoundingError& RoundingError::operator+=(const RoundingError& other) {
  signal += other.signal, error += other.error, scale = std::max(scale, other.scale);
  return *this;
}

RoundingError rounding_error(std::span<const float> x, std::span<const float> rounded, float scale) {
  return rounding_error_of(x, rounded, scale);
}

RoundingError rounding_error(std::span<const float> x, std::span<const std::uint16_t> rounded, float scale) {
  return rounding_error_of(x, rounded, scale);
}

TensorStats::TensorStats(std::vector<std::string> sites)
    : group_{"tensors", {}, std::move(sites)}, entries_(kNumOperands * group_.sites.size()) {
  PRECIPICE_CHECK(!group_.sites.empty(), "tensor statistics need a site");
  for (const char* operand : kOperandNames)
    for (const Statistic& statistic : kStatistics)
      group_.series.push_back({std::string(operand) + statistic.suffix, statistic.units,
                               std::string(operand) + ": " + statistic.long_name});
}

TensorStats::Entry& TensorStats::entry(std::size_t site, std::size_t operand) {
  PRECIPICE_CHECK(site < group_.sites.size() && operand < kNumOperands, "site ", site, ", operand ", operand);
  return entries_[operand * group_.sites.size() + site];
}

void TensorStats::clear() {
  entries_.assign(entries_.size(), Entry{});
}

void TensorStats::record(std::size_t site, std::size_t operand, const EventCounts& counts) {
  entry(site, operand).counts += counts;
}

void TensorStats::record(std::size_t site, std::size_t operand, const RoundingError& error) {
  Entry& at = entry(site, operand);
  at.rounding += error;
  at.has_rounding = true;
}

void TensorStats::share(std::size_t site, std::size_t first, std::size_t second) {
  if (entry(site, second).counts.total == 0) entry(site, second) = entry(site, first);
}

std::vector<double> TensorStats::values() const {
  const std::size_t sites = group_.sites.size();
  std::vector<double> row;
  row.reserve(group_.row_width());
  for (std::size_t operand = 0; operand < kNumOperands; ++operand)
    for (const Statistic& statistic : kStatistics)
      for (std::size_t site = 0; site < sites; ++site) {
        const Entry& at = entries_[operand * sites + site];
        row.push_back(at.counts.total == 0 ? kNotMeasured : statistic.value(at));
      }
  return row;
}

}  // namespace precipice
