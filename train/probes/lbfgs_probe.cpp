// SPDX-License-Identifier: Apache-2.0
// Group "lbfgs" (step): the logit sharpness as box-constrained L-BFGS finds it (metrics/logits/logit_ascent.h), on the
// last tokens of the step's batch.
#include <optional>

#include "metrics/logits/logit_ascent.h"
#include "train/probes/float_span.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

class LbfgsProbe : public Probe {
 public:
  explicit LbfgsProbe(const RunConfig& config)
      : Probe(config, "lbfgs", ascent_group(config.metrics.epsilons, config.metrics.lbfgs_subspace)),
        epsilons_(config.metrics.epsilons),
        dimension_(config.metrics.lbfgs_subspace),
        context_(config.model.context) {}

  void after_backward(const ForwardPass& pass, ProbeRow& row) override {
    const at::Tensor logits = pass.logits.detach();
    const std::int64_t vocabulary = logits.size(-1), tokens = pass.targets.numel();
    if (dimension_ > 0 && !subspace_) subspace_ = logit_subspace(vocabulary, dimension_);
    row = ascent_values(last_token_ascent(floats(logits), integers(pass.targets), tokens / context_, context_,
                                          vocabulary, epsilons_, subspace_ ? &*subspace_ : nullptr));
  }

 private:
  std::vector<double> epsilons_;
  std::int64_t dimension_, context_;
  std::optional<RandomSubspace> subspace_;  // made when first needed
};

}  // namespace

void add_lbfgs_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<LbfgsProbe>(config));
}

}  // namespace precipice
