// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/replay.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "metrics/files/files.h"
#include "metrics/log/journal.h"
#include "precision/base/check.h"
#include "train/run/run_directory.h"

namespace precipice {
namespace {

constexpr std::size_t kFinalSteps = 10;

struct SlotName {
  const char *pass, *operand;
};

SlotName name_of(Slot slot) {
  switch (slot) {
    case Slot::FpropX:
      return {"fprop", "x"};
    case Slot::FpropW:
      return {"fprop", "w"};
    case Slot::DgradDy:
      return {"dgrad", "dy"};
    case Slot::DgradW:
      return {"dgrad", "w"};
    case Slot::WgradDy:
      return {"wgrad", "dy"};
    case Slot::WgradX:
      return {"wgrad", "x"};
    case Slot::FpropOut:
      return {"fprop", "output"};
    case Slot::DgradOut:
      return {"dgrad", "output"};
    case Slot::WgradOut:
      return {"wgrad", "output"};
  }
  PRECIPICE_CHECK(false, "slot ", static_cast<int>(slot));
}

// The first tensors that saturate or are not finite, in the order in which they are computed.
class FirstEvents : public QuantizationObserver {
 public:
  FirstEvents(std::vector<std::string> sites, Replay& replay) : sites_(std::move(sites)), replay_(replay) {}

  void observe(std::size_t site, Slot slot, const EventCounts& events) override {
    if (events.saturated > 0 && !replay_.saturated) replay_.saturated = event(site, slot, events);
    const bool bad = events.nan_in > 0 || events.overflowed > 0 || !std::isfinite(events.amax);
    if (bad && !replay_.not_finite) replay_.not_finite = event(site, slot, events);
  }

  void begin_step(std::int64_t step) { step_ = step; }

  // What no quantizer sees: tensors that the recipe leaves in fp32.
  void end_step(double loss, double gradient_norm) {
    if (replay_.not_finite) return;
    if (!std::isfinite(loss))
      replay_.not_finite = TensorEvent{step_, "loss", "", "", {}};
    else if (!std::isfinite(gradient_norm))
      replay_.not_finite = TensorEvent{step_, "gradient norm", "", "", {}};
  }

 private:
  TensorEvent event(std::size_t site, Slot slot, const EventCounts& events) const {
    const SlotName name = name_of(slot);
    return {step_, sites_.at(site), name.pass, name.operand, events};
  }

  std::vector<std::string> sites_;
  Replay& replay_;
  std::int64_t step_ = 0;
};

}  // namespace

ReplayStart read_replay_start(const std::filesystem::path& run, std::int64_t step) {
  ReplayStart start;
  const RunDirectory directory(run);
  start.config = directory.read_config();
  start.step = step;
  start.checkpoint = directory.load_checkpoint(step, run_id(start.config));
  if (const auto status = directory.read_status()) start.diverged = status->divergence_step >= 0;
  const auto journal = directory.journal();
  if (!is_there(journal)) {
    if (step > 0) throw DataError(journal.string() + ": missing although there are checkpoints");
    return start;
  }
  for (SeriesRow& row : read_journal(journal).series.rows) {
    if (row.group == kMetricsGroup && row.step >= step)
      start.logged_losses.push_back(step_record_of(row.values).train_loss);
    if (row.step < step) start.rows.push_back(std::move(row));
  }
  return start;
}

Replay replay(const ReplayStart& start, const PrecisionConfig& precision, const TokenSource& tokens, std::int64_t steps,
              bool watch) {
  RunConfig config = start.config;
  config.precision = precision;
  config.metrics = no_probes();
  config.train.eval_every = 0;
  if (start.checkpoint) config.init.from.clear();  // the checkpoint has the weights
  at::set_num_threads(static_cast<int>(config.threads));
  Trainer trainer(config, tokens);
  if (start.checkpoint) trainer.restore(*start.checkpoint, start.rows);

  Replay result;
  FirstEvents events(trainer.site_names(), result);
  if (watch) trainer.watch(&events);
  while (trainer.steps_done() < start.step + steps) {
    events.begin_step(trainer.steps_done());
    const StepRecord record = step_record_of(trainer.step().front().values);
    result.losses.push_back(record.train_loss);
    if (watch) events.end_step(record.train_loss, record.grad_norm);
    if (!std::isfinite(result.losses.back())) break;
  }
  result.divergence = trainer.detector().divergence();
  if (result.losses.empty() || !std::isfinite(result.losses.back())) return result;
  const std::size_t last = std::min(kFinalSteps, result.losses.size());
  result.final_loss = 0;
  for (std::size_t i = result.losses.size() - last; i < result.losses.size(); ++i)
    result.final_loss += result.losses[i] / static_cast<double>(last);
  result.validation_loss = trainer.evaluate().values[kValidationLoss];
  return result;
}

}  // namespace precipice
