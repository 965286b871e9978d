// SPDX-License-Identifier: Apache-2.0
// The series of all runs of a sweep as cubes of index.h5: one group for each group that any run has.
//   /<group>/<series>   (run, step), or (run, step, site) where the runs' own has sites
//   /<group>/step       every step at which a run has a row; a run without a row there reads as NaN
//   /<group>/site       every site that a run has
#pragma once

#include <set>
#include <string>

#include "experiments/statistics/sweep_data.h"
#include "metrics/hdf5/hdf5_file.h"

namespace precipice {

// A cube is made whole in memory, and the file as well: what is larger than these numbers of values (8 bytes each) stays in
// the runs' own files.
struct IndexLimits {
  std::size_t values = std::size_t{1} << 27;  // of groups without sites, together
  std::size_t site_values = kMostSiteValues;  // of groups with sites, together
};

// `reserved`: names of groups that are not to be taken for a run's. Returns the names of groups that are too large.
// Groups with bins are never taken.
std::set<std::string> write_index_series(Hdf5Writer& file, const SweepData& data, const std::set<std::string>& reserved,
                                         const IndexLimits& limits = {});

}  // namespace precipice
