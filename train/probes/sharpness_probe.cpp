// SPDX-License-Identifier: Apache-2.0
// Group "sharpness" (step): the exact logit sharpness of metrics/logits/logit_sharpness.h, which the pass over the
// logits that the loss makes anyway counts as well.
#include "metrics/logits/logit_sharpness.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

class SharpnessProbe : public Probe {
 public:
  explicit SharpnessProbe(const RunConfig& config)
      : Probe(config, "sharpness", sharpness_group(config.metrics.epsilons)), epsilons_(config.metrics.epsilons) {}

  void before_forward(ForwardRequest& request) override { request.epsilons = epsilons_; }
  void after_backward(const ForwardPass& pass, ProbeRow& row) override { row = sharpness_values(pass.sharpness); }

 private:
  std::vector<double> epsilons_;
};

}  // namespace

void add_sharpness_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<SharpnessProbe>(config));
}

}  // namespace precipice
