// SPDX-License-Identifier: Apache-2.0
// Group "hessian" (step): the landscape in fp32 at the weights before the update, over the step's batch: largest
// eigenvalue of the Hessian of the loss by the Lanczos process (train/curvature/spectrum.h), its trace by
// Hutch++ (metrics/curvature/trace_estimate.h), both from exact products (train/curvature/double_backward.h), and the
// SAM sharpness that group "sam" has in the run's own precision. Start vectors and probes are the same at every step
// and in every run, so that differences between runs are not those of the vectors.
#include <cmath>
#include <memory>

#include "metrics/curvature/trace_estimate.h"
#include "metrics/log/step_record.h"
#include "train/curvature/double_backward.h"
#include "train/curvature/spectrum.h"
#include "train/probes/exact_model.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

constexpr std::int64_t kTopProducts = 30, kTraceProducts = 30;

const SeriesGroup kHessianGroup{
    "hessian",
    {{"top_eigenvalue", "1", "largest eigenvalue of the Hessian of the step's loss in fp32"},
     {"top_error", "1", "estimated error of the largest eigenvalue"},
     {"trace", "1", "trace of the Hessian of the step's loss in fp32"},
     {"trace_error", "1", "standard error of the trace's estimate"},
     {"products", "1", "products with the Hessian that both took"},
     {"sam_sharpness", "nats", "rise of the loss in fp32 at distance 0.05 along its gradient"}},
    {}};

class HessianProbe : public Probe {
 public:
  explicit HessianProbe(const RunConfig& config)
      : Probe(config, "hessian", kHessianGroup), batch_(config.train.batch) {}

  // The graph of a gradient is kept for its own gradient: about what a pass over three times the batch keeps. Vectors:
  // the Lanczos basis, the model's weights and those that SAM moves.
  ProbeMemory memory() const override {
    return {.pass = ProbeMemory::Pass::Backward,
            .batch = 3 * batch_,
            .is_exact = true,
            .copies = static_cast<double>(kTopProducts) + 4};
  }

  void before_update(const ProbedStep& step, const TensorVector&, ProbeRow& row) override {
    row.assign(group().row_width(), kNotMeasured);
    if (!std::isfinite(step.objective)) return;
    const std::shared_ptr<const Model> model = exact_.at(step);
    const PlainLoss loss(model, {batch_tensors(step.batch, step.config.model, *model)});
    const LinearOperator product = [&](std::span<const float> v) { return loss.hessian_product(v); };
    TopOptions options;
    options.count = 1;
    options.max_products = kTopProducts;
    options.both_ends = false;
    const TopSpectrum top = top_spectrum(product, loss.size(), options);
    const TraceEstimate trace = estimate_trace(product, loss.size(), kTraceProducts, 0);
    const ScaleStates none;
    ProbedStep exact = exact_step(step, *model, none);
    exact.objective = objective_at(exact);
    row = {top.values.empty() ? kNotMeasured : top.values.front(),
           top.errors.empty() ? kNotMeasured : top.errors.front(),
           trace.trace,
           trace.standard_error,
           static_cast<double>(top.products + trace.products),
           sam_rise(exact, gradient_at(exact, exact.batch))};
  }

 private:
  std::int64_t batch_;
  ExactModel exact_;
};

}  // namespace

void add_hessian_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<HessianProbe>(config));
}

}  // namespace precipice
