// SPDX-License-Identifier: Apache-2.0
// index.h5: one file through which a sweep is read, in plain tools: every dataset has named dimensions with scales, so that
// netCDF's readers and xarray need no word of ours. R runs in the order of sweep.toml.
//   /<group>/<series>  of each group that any run has (metrics, eval, sharpness, tensors, ...): (run, step) or (run, step,
//                      site), NaN where a run is missing, ended, or has no row at a step (index_series.h)
//   /<group>/{run, format, lr, seed, <key of an axis>, ...}   coordinates of the runs (index_coordinates.h)
//   /runs/{id, file, state, step, steps, divergence_step, learning_rate, final_loss, problem}, and the coordinates   (run)
//   /cells/*           one value per cell: format, learning_rate, runs, ended, diverged, intervals,
//                      median step to divergence, median final loss                                        (cell)
//   /survival/*        the points of all Kaplan-Meier curves, with the number of their cell                (point)
//   /claims/*          one value per claim of a sweep that has any: id, verdict, n, pairs, effect, low, high,
//                      p, holm_p, cpu_seconds, command, ... (experiments/claims/claims_report.h)           (claim)
//   /statistics        everything that `merge --json` prints, as JSON text
// Series are copies of the runs' own: the file can be moved and opened alone, and no reader walks through thousands of
// linked files. What would be too large stays in the runs' files, and the attribute left_out names it.
// The attribute runs_sha256 tells which runs were read (index_state.h).
// Equal runs give equal bytes: the file holds no times, and paths relative to itself; but for /claims, which says what its
// runs cost, and the command.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "experiments/statistics/sweep_data.h"
#include "experiments/statistics/sweep_statistics.h"
#include "experiments/sweep/index_state.h"

namespace precipice {

// A further column: strings or numbers, one value per row of its table, under its whole path.
struct IndexColumn {
  std::string path, units, long_name;  // units: "" for text
  std::variant<std::vector<std::string>, std::vector<double>> values;
};

// `further`: tables that other parts of the program add, such as /claims (experiments/claims/claims_report.h).
std::string build_index(const SweepData& data, const SweepStatistics& statistics,
                        const std::vector<IndexColumn>& further = {});

// The same into data's directory, atomically. Throws OutputError.
void write_index(const SweepData& data, const SweepStatistics& statistics,
                 const std::vector<IndexColumn>& further = {});

}  // namespace precipice
