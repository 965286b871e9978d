// SPDX-License-Identifier: Apache-2.0
// Group "centred_sharpness" (step): the logit sharpness of the step's centred logits, z - mean z, in the run's own
// precision (metrics/logits/logit_rows.h). The published box grows with |z|, and so with |log Z| alone; this one
// stays where a number is added to all logits of a token. No pass of its own.
#include "metrics/logits/logit_rows.h"
#include "train/probes/float_span.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

class CentredSharpnessProbe : public Probe {
 public:
  explicit CentredSharpnessProbe(const RunConfig& config)
      : Probe(config, "centred_sharpness",
              sharpness_group(config.metrics.epsilons, "centred_sharpness", "logit sharpness of the centred logits")),
        epsilons_(config.metrics.epsilons),
        context_(config.model.context) {}

  void after_backward(const ForwardPass& pass, ProbeRow& row) override {
    const at::Tensor logits = pass.logits.detach();
    const std::int64_t tokens = pass.targets.numel();
    row = sharpness_values(centred_batch_sharpness(floats(logits), integers(pass.targets), tokens / context_, context_,
                                                   logits.size(-1), epsilons_));
  }

 private:
  std::vector<double> epsilons_;
  std::int64_t context_;
};

}  // namespace

void add_centred_sharpness_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<CentredSharpnessProbe>(config));
}

}  // namespace precipice
