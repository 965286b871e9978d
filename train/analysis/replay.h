// SPDX-License-Identifier: Apache-2.0
// A stretch of a run once more, from one of its checkpoints or from the start: the same batches, optimizer state and
// random numbers, under a precision that may be another. Nothing is written.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "precision/autograd/quantized_matmul.h"
#include "train/run/trainer.h"

namespace precipice {

// Where a tensor was first seen to be something.
struct TensorEvent {
  std::int64_t step = -1;
  std::string site;           // "h.0.mlp.up"; "loss" or "gradient norm" where no quantizer saw anything before
  std::string pass, operand;  // fprop dgrad wgrad; x w dy output; empty without a site
  EventCounts counts;
};

struct Replay {
  std::vector<double> losses;        // of the steps replayed; the replay ends at a loss that is not finite
  double final_loss = kNotMeasured;  // mean of the last ten; NaN after a loss that is not finite
  double validation_loss = kNotMeasured;
  Divergence divergence;
  std::optional<TensorEvent> saturated, not_finite;  // the first ones, with `watch`
  bool diverged() const { return static_cast<bool>(divergence); }
};

// The point of a run from which it is replayed.
struct ReplayStart {
  RunConfig config;                      // of the run
  std::optional<Checkpoint> checkpoint;  // none: the initial weights
  std::vector<SeriesRow> rows;           // the log before it
  std::vector<double> logged_losses;     // of the steps after it, as far as the run went
  std::int64_t step = 0;
  bool diverged = false;  // the run, in the end
};

// Throws ConfigError listing the steps that can be had, DataError.
ReplayStart read_replay_start(const std::filesystem::path& run, std::int64_t step);

// `precision` in place of the run's. The optimizer's formats stay the run's, since its state has them.
Replay replay(const ReplayStart& start, const PrecisionConfig& precision, const TokenSource& tokens, std::int64_t steps,
              bool watch);

}  // namespace precipice
