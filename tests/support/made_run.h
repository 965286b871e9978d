// SPDX-License-Identifier: Apache-2.0
// A finished run in a temporary directory, for what reads runs.
#pragma once

#include <optional>

#include "metrics/log/journal.h"
#include "tests/support/files.h"
#include "tests/support/tiny_run.h"
#include "train/run/run.h"
#include "train/run/trainer.h"

namespace precipice::test {

struct MadeRun {
  explicit MadeRun(const std::vector<std::string>& assignments) : config(tiny_config(assignments)) {
    execute_run({config, dir.path() / "run", "test", nullptr, {}});
  }
  std::filesystem::path path() const { return dir.path() / "run"; }
  // What the run itself logged as its validation loss at a step.
  std::optional<double> validation_loss(std::int64_t step) const {
    for (const SeriesRow& row : read_journal(path() / "metrics.jnl").series.rows)
      if (row.group == kEvalGroup && row.step == step) return row.values[kValidationLoss];
    return std::nullopt;
  }
  TemporaryDirectory dir;
  RunConfig config;
};

// A GPT of a few hundred parameters, for dense matrices of all pairs.
inline std::vector<std::string> small_gpt(std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"model.layers=1",    "model.width=4", "model.heads=2",       "model.context=6",
                                    "data.vocabulary=7", "train.batch=3", "train.eval_batches=2"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace precipice::test
