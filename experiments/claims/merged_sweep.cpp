// SPDX-License-Identifier: Apache-2.0
#include "experiments/claims/merged_sweep.h"

#include "precision/base/check.h"

namespace precipice {

MergedSweep merge_sweep(const std::filesystem::path& directory, const std::string& reference, bool for_index) {
  std::error_code ignored;
  // A claim may speak of any series; statistics and the index need no more than what fits into the index.
  const bool has_claims = std::filesystem::exists(directory / kClaimsFileName, ignored);
  MergedSweep merged;
  const SeriesChoice choice = !has_claims ? SeriesChoice::ForIndex
                              : for_index ? SeriesChoice::All
                                          : SeriesChoice::Values;
  merged.data = read_sweep_data(directory, reference, choice);
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
