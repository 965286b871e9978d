// SPDX-License-Identifier: Apache-2.0
// Group "sam" (step): L(w + rho g / |g|) - L(w), rho = 0.05, at the weights before the update, in the emulated
// precision (Foret et al. 2021, arXiv 2010.01412, equation 2). One forward pass.
#include "train/probes/probe.h"

namespace precipice {
namespace {

class SamProbe : public Probe {
 public:
  explicit SamProbe(const RunConfig& config)
      : Probe(config, "sam",
              {"sam", {{"sam_sharpness", "nats", "rise of the loss at distance 0.05 along the gradient"}}, {}}),
        batch_(config.train.batch) {}

  ProbeMemory memory() const override { return {.pass = ProbeMemory::Pass::Forward, .batch = batch_, .copies = 1}; }

  void before_update(const ProbedStep& step, const TensorVector& gradients, ProbeRow& row) override {
    row = {sam_rise(step, gradients)};
  }

 private:
  std::int64_t batch_;
};

}  // namespace

void add_sam_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<SamProbe>(config));
}

}  // namespace precipice
