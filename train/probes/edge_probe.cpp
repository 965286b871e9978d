// SPDX-License-Identifier: Apache-2.0
// Group "edge" (step): lambda_max(P^-1 H) after the update against the threshold of the optimizer (Cohen et al. 2022,
// arXiv 2207.14484): AdamW (2 + 2 b1) / ((1 - b1) eta), P = (1 - b1^t) diag(sqrt(v_hat) + eps); SGD (2 + 2 momentum) /
// eta, P = 1; by power iteration of kEdgeIterations products, each two gradients in the emulated precision.
#include "train/probes/edge_of_stability.h"

#include "metrics/log/step_record.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

constexpr int kEdgeIterations = 10;

class EdgeProbe : public Probe {
 public:
  explicit EdgeProbe(const RunConfig& config)
      : Probe(config, "edge",
              {"edge",
               {{"edge_of_stability_ratio", "1", "largest preconditioned curvature over the optimizer's threshold"},
                {"preconditioned_sharpness", "1", "largest eigenvalue of the preconditioned Hessian"}},
               {}}),
        batch_(config.train.batch) {}

  ProbeMemory memory() const override { return {.pass = ProbeMemory::Pass::Backward, .batch = batch_, .copies = 5}; }

  void after_update(const ProbedStep& step, const UpdateResult& update, ProbeRow& row) override {
    row = {kNotMeasured, kNotMeasured};
    const Preconditioner p = preconditioner_of(update.optimizer, step.model);
    if (p.inverse_root.empty() || !(step.learning_rate > 0)) return;
    const double sharpness = largest_preconditioned_curvature(step, p.inverse_root, kEdgeIterations);
    row = {sharpness * step.learning_rate / p.threshold, sharpness};
  }

 private:
  std::int64_t batch_;
};

}  // namespace

void add_edge_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<EdgeProbe>(config));
}

}  // namespace precipice
