// SPDX-License-Identifier: Apache-2.0
// How a run that went through all its steps without diverging ended. In this order:
//   skipped    the loss scale left out half of its steps or more
//   untrained  its final loss is not below the unigram entropy of its data: nothing that it learned uses the context
//   done       neither
// The final loss is the validation loss after the last step; where the data has no validation part (data.source =
// batches), the mean training loss of the last kFinalLosses steps, or of all where there are fewer. A loss that is no
// number is below nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "metrics/log/status_file.h"

namespace precipice {

inline constexpr std::size_t kFinalLosses = 20;

struct OutcomeInput {
  std::int64_t steps = 0, skipped_steps = 0;
  double final_loss = 0;     // nats per token
  double unigram_floor = 0;  // nats per token; NaN, unknown: the run cannot be called untrained
};

struct RunOutcome {
  RunState state = RunState::Done;
  std::string reason;  // "" for done
};

RunOutcome outcome_of(const OutcomeInput& input);

double final_training_loss(std::span<const double> losses);                // NaN for none
std::string skipped_text(std::int64_t skipped_steps, std::int64_t steps);  // "skipped 60 of 60 steps"

}  // namespace precipice
