// SPDX-License-Identifier: Apache-2.0
#include "metrics/tensors/exponent_histograms.h"

#include <array>
#include <bit>

#include "metrics/log/step_record.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

std::vector<Series> histogram_series() {
  std::vector<Series> series;
  for (const char* operand : {"x", "w", "dy"})
    series.push_back({operand, "elements", std::string(operand) + " before scaling and rounding, by exponent"});
  for (const char* taken : {"x_fprop", "w_fprop", "dy_dgrad", "w_dgrad", "dy_wgrad", "x_wgrad"}) {
    const std::string name(taken);
    const std::size_t cut = name.find('_');
    series.push_back(
        {name, "elements", name.substr(0, cut) + " on its grid in " + name.substr(cut + 1) + ", by exponent"});
  }
  return series;
}

}  // namespace

std::size_t exponent_bin(float value) {
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(value) & 0x7FFFFFFFu;
  const std::size_t field = magnitude >> 23;
  const bool has_fraction = (magnitude & 0x7FFFFFu) != 0;
  if (field == 0) return has_fraction ? kSubnormalBin : kZeroBin;
  if (field == 255) return has_fraction ? kNanBin : kInfinityBin;
  return field - 1 + kFirstExponentBin;
}

const std::vector<std::string>& exponent_bin_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names{"zero", "subnormal"};
    for (int exponent = kLeastBinnedExponent; exponent <= 127; ++exponent) names.push_back(std::to_string(exponent));
    names.insert(names.end(), {"inf", "nan"});
    return names;
  }();
  return kNames;
}

ExponentHistograms::ExponentHistograms(std::vector<std::string> sites)
    : group_{"histograms", histogram_series(), std::move(sites), exponent_bin_names()} {
  PRECIPICE_CHECK(!group_.sites.empty(), "histograms need a site");
}

void ExponentHistograms::clear() {
  counts_.assign(group_.row_width(), 0);
  seen_.assign(group_.series.size() * group_.sites.size(), false);
}

void ExponentHistograms::add(std::size_t site, std::size_t series, std::span<const float> values) {
  PRECIPICE_CHECK(site < group_.sites.size() && series < group_.series.size(), "site ", site, ", series ", series);
  const std::size_t at = series * group_.sites.size() + site;
  seen_.at(at) = true;
  std::uint64_t* counts = counts_.data() + at * kExponentBins;
  // By exponent field, in four tables so that increments of one counter do not wait for each other; what the fields at
  // both ends hold is told apart by two more counts.
  std::array<std::array<std::uint64_t, 256>, 4> fields{};
  std::uint64_t zeros = 0, infinities = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(values[i]) & 0x7FFFFFFFu;
    ++fields[i % 4][magnitude >> 23];
    zeros += magnitude == 0;
    infinities += magnitude == 0x7F800000u;
  }
  const auto of_field = [&](std::size_t field) {
    return fields[0][field] + fields[1][field] + fields[2][field] + fields[3][field];
  };
  counts[kZeroBin] += zeros;
  counts[kSubnormalBin] += of_field(0) - zeros;
  for (std::size_t field = 1; field < 255; ++field) counts[field - 1 + kFirstExponentBin] += of_field(field);
  counts[kInfinityBin] += infinities;
  counts[kNanBin] += of_field(255) - infinities;
}

std::vector<double> ExponentHistograms::values() const {
  std::vector<double> row;
  row.reserve(counts_.size());
  for (std::size_t i = 0; i < counts_.size(); ++i)
    row.push_back(seen_[i / kExponentBins] ? static_cast<double>(counts_[i]) : kNotMeasured);
  return row;
}

}  // namespace precipice
