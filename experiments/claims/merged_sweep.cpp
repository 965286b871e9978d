// SPDX-License-Identifier: Apache-2.0
#include "experiments/claims/merged_sweep.h"

#include "precision/base/check.h"

namespace precipice {

namespace {

// Statistics alone where the claims cannot be read.
std::set<std::string> groups_of_claims(const std::filesystem::path& directory) {
  try {
    return groups_for(registered_claims(directory));
  } catch (const Error&) {
    return statistics_groups();
  }
}

}  // namespace

MergedSweep merge_sweep(const std::filesystem::path& directory, const std::string& reference, bool for_index) {
  std::error_code ignored;
  // A claim may speak of any series, and the index needs no more than what fits into it.
  const bool has_claims = std::filesystem::exists(directory / kClaimsFileName, ignored);
  MergedSweep merged;
  if (for_index)
    merged.data = read_sweep_data(directory, reference, has_claims ? SeriesChoice::All : SeriesChoice::ForIndex);
  else
    merged.data = read_sweep_data(directory, reference, SeriesChoice::Values, groups_of_claims(directory));
  merged.statistics = sweep_statistics(merged.data);
  try {
    merged.claims = registered_report(merged.data);
  } catch (const Error& error) {
    merged.problem = std::string("claims are not judged: ") + error.what();
  }
  return merged;
}

void write_index(const MergedSweep& merged) {
  write_index(merged.data, merged.statistics,
              merged.claims ? index_columns(*merged.claims) : std::vector<IndexColumn>{});
}

}  // namespace precipice
