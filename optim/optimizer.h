// SPDX-License-Identifier: Apache-2.0
// Gradients into weights by one of the update rules of optim/rules/, through the multi-tensor kernels. Two groups as in
// nanoGPT: matrices and embeddings decay, vectors (biases, LayerNorm) do not. Weight decay: "coupled" to the learning
// rate, p -= lr (u + wd p), as torch.optim.AdamW; or "independent" of it, p -= s_t (lr u + wd p) with the schedule's
// factor s_t (arXiv 2309.14322). Weights are fp32 masters and moments fp32 unless StateConfig says otherwise: then
// every update is computed in fp32 from what is kept and its results are rounded as they are kept (store.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "optim/multi_tensor/multi_tensor.h"
#include "optim/optimizer_machine.h"
#include "optim/rules/update_rule.h"
#include "optim/step_numbers.h"
#include "optim/store.h"
#include "optim/stored_format.h"
#include "precision/base/spellings.h"

namespace precipice {

inline constexpr Spellings<DecayCoupling, 2> kDecayCouplings{
    {{"coupled", DecayCoupling::Coupled}, {"independent", DecayCoupling::Independent}}};

// Spans of equal size into memory that outlives the optimizer and does not move.
struct Parameter {
  std::string name;
  FloatSpan value;
  FloatSpan grad;
  bool decay = false;
  bool stored = true;   // false: weights, moments and gradient stay fp32 whatever StateConfig says
  bool frozen = false;  // no update changes it; its gradient counts in the norm all the same
};

struct GradStats {
  bool finite = true;
  double norm = 0;  // global L2 norm after unscaling, before clipping
};

struct UpdateStats {
  double param_norm = 0;    // before the update, of the weights that are updated
  double update_ratio = 0;  // |change of the kept weights| / |weights|; NaN when the weights are all zero
};

// What Optimizer::write_numbers() wrote of a step, in the machine's memory.
struct NumbersThere {
  const StepNumbers* numbers = nullptr;  // null: numbers go with the calls
  bool loss_scale_varies = false;        // from step to step; else it goes with the calls all the same
};

struct OptimizerKind;

class Optimizer {
 public:
  // Rounds the weights to the format they are kept in. `formats`: what config.state says, read. seed: of stochastic
  // rounding. `machine`: whose memory the parameters' spans are. Throws ConfigError for an unknown kind.
  Optimizer(const OptimizerConfig& config, const StoredFormats& formats, std::vector<Parameter> parameters,
            std::uint64_t seed = 0, const OptimizerMachine& machine = cpu_optimizer_machine());
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  // Gradients are rounded to the format that they are kept in; then grad *= 1 / loss_scale in place, checked for
  // finiteness and normed in the same pass.
  GradStats unscale(double loss_scale);
  // The same in two halves, for who reads the norm together with other numbers of the device: where it will be, in the
  // machine's memory; and what follows from it. can_unscale_again(): whether the first half may be done again, with the
  // same results, once the gradients were made again.
  const double* start_unscale(double loss_scale, const NumbersThere& there = {});
  static GradStats grad_stats(double norm);
  bool can_unscale_again() const { return formats_.gradients.rule != StoredScaling::MsAmp; }
  // One update. factor: the schedule's value for this step; grad_norm: from unscale(). Gradients are clipped as by
  // torch.nn.utils.clip_grad_norm_, times min(1, clip_norm / (norm + 1e-6)); a NaN norm makes every weight NaN.
  UpdateStats step(double factor, double grad_norm);
  // The same in two halves, after start_unscale(), for who knows the norm later: whether the update takes place is decided in
  // the machine's memory. queue_step() gives the array there that finish_step() wants a copy of, aligned to nothing; in
  // place of finish_step(), take_back_step() where terms.failed was raised.
  struct UpdateTerms {
    bool skips_infinite = false;            // gradients that are not finite make no update
    const std::uint32_t* failed = nullptr;  // in the machine's memory; raised: there is none; null: as if never raised
    const StepNumbers* there = nullptr;     // as NumbersThere::numbers
  };
  struct QueuedStep {
    GradStats gradients;
    bool is_applied = false;
    UpdateStats update;  // where it is
  };
  FloatSpan queue_step(double factor, const UpdateTerms& terms);
  QueuedStep finish_step(const void* numbers);
  void take_back_step() { --updates_; }
  // Of the next update, all but the training step: for a machine that has write_update.
  void write_numbers(double factor, double loss_scale, StepNumbers& numbers) const;
  // In place of start_unscale() and queue_step(), where what they queued is done once more with other StepNumbers.
  void count_step() { ++updates_; }
  // Named state for checkpoints and the number of updates made: moments "m.<parameter>", ..., Kahan compensations
  // "k.<parameter>", scales "scale.p.<parameter>" (weights), "scale.m.<parameter>", ..., "scale.g.<parameter>"
  // (gradients); only what the configuration has.
  std::vector<std::pair<std::string, FloatSpan>> state();
  std::int64_t updates() const { return updates_; }
  void set_updates(std::int64_t updates) { updates_ = updates; }

  // What divides the first moment in an update, once there was one; nothing for kinds without.
  std::optional<Preconditioning> preconditioning() const;
  // One span per parameter: the moment number `index`, 0 or 1, of the kind.
  std::vector<FloatSpan> moments(std::size_t index);

 private:
  // One buffer per parameter.
  using Buffers = std::vector<MachineArray>;
  struct Moment {
    std::string prefix;
    Buffers values;
    StoredArrays stored;
  };

  std::vector<FloatSpan> spans(FloatSpan Parameter::*member) const;
  Buffers zeros() const;
  void append_lists(TensorLists& lists, std::size_t parameter, bool compensated);
  // What a walk over some parameters found out, in the machine's memory.
  struct Walk {
    UpdateNorms norms;
    double distance;  // of weights that were rounded, in place of norms.update
  };
  static constexpr std::size_t kDoublesOfWalk = sizeof(Walk) / sizeof(double);

  // Places of numbers: the gradient's norm, the gate, the walks.
  static constexpr std::size_t kGate = 1, kFirstWalk = kGate + sizeof(UpdateGate) / sizeof(double);

  double* number(std::size_t place) { return reinterpret_cast<double*>(numbers_.span().data) + place; }
  Walk* next_walk(bool decayed, bool rounded);
  // What an update that is queued finds in the machine's memory; null: it goes with the calls.
  struct UpdatePlaces {
    const UpdateGate* gate = nullptr;
    const StepNumbers* numbers = nullptr;
  };
  UpdateArgs update_args(bool decayed, double factor, double grad_scale, std::int64_t step) const;
  void queue_update(double factor, double grad_scale, const UpdatePlaces& there);
  void update_group(bool decayed, const UpdateArgs& update, const UpdatePlaces& there);
  void update_and_store(std::size_t parameter, const UpdateArgs& update, const UpdatePlaces& there);
  UpdateStats stats_of(const double* walks) const;

  OptimizerConfig config_;
  const OptimizerKind* kind_;
  const OptimizerMachine* machine_;
  std::int64_t updates_ = 0;
  std::vector<Parameter> parameters_;
  StoredFormats formats_;
  StoredArrays weights_, gradients_;
  std::vector<Moment> moments_;
  Buffers compensation_;  // Kahan only
  bool plain_ = true;     // weights and moments are fp32 and nothing needs to be stored
  TensorLists lists_[2];  // undecayed, decayed
  MachineArray before_;   // weights of one parameter before its update
  MachineArray numbers_;  // the gradient's norm, whether there is an update, its walks
  // The walks of the update under way.
  struct WalkKind {
    bool decayed, rounded;
  };
  std::vector<WalkKind> walks_;
};

// The same with the formats read here. Throws ConfigError for unknown ones too.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, std::vector<Parameter> parameters,
                                          std::uint64_t seed = 0);

}  // namespace precipice
