// SPDX-License-Identifier: Apache-2.0
// index.h5: one file through which a sweep is read. R runs in the order of sweep.toml, S steps of the longest.
//   /runs/{id, format, learning_rate, seed, state, step, steps, divergence_step, final_loss, problem}   (R)
//   /axes/<key>                       value of each run, as text                                       (R)
//   /labels/<key>                     what people call it, for an axis with labels                     (R)
//   /links/<id>                       external link to the run's run.h5
//   /<group>/<series>                 of each group that has one value a step in any run (metrics, eval, sharpness,
//                                     ...): virtual (R, S), NaN where a run is missing or ended, with the units and
//                                     long_name of the runs' own; <group>/step holds the steps. A run whose steps are
//                                     not the first ones of the longest is left out there and named in `problem`.
//   /cells/*                          one value per cell: format, learning_rate, runs, ended, diverged, intervals,
//                                     median step to divergence, median final loss
//   /survival/*                       the points of all Kaplan-Meier curves, with the number of their cell
//   /claims/*                         one value per claim of a sweep that has any: id, verdict, n, pairs, effect, low, high,
//                                     p, holm_p, cpu_seconds, command, ... (experiments/claims/claims_report.h)
//   /statistics                       everything that `merge --json` prints, as JSON text
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

}  // namespace precipice
