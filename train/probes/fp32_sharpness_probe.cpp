// SPDX-License-Identifier: Apache-2.0
// Group "fp32_sharpness" (step): the logit sharpness (metrics/logits/logit_sharpness.h) of the step's batch at the
// weights before the update with nothing rounded: of the weights, where group "sharpness" has that of the weights as
// the run's own precision sees them. own_minus_fp32 is the difference of the two at this step; it changes its sign with
// the width of the mask, so that either alone misleads. Beside them the loss, and the sharpness of the centred logits.
// One forward pass in fp32.
#include <ATen/core/grad_mode.h>

#include <utility>
#include <vector>

#include "metrics/logits/logit_rows.h"
#include "precision/base/check.h"
#include "train/probes/exact_model.h"
#include "train/probes/float_span.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

constexpr std::pair<const char*, const char*> kTokens[] = {{"last_token", "last tokens"}, {"all_tokens", "all tokens"}};

// The four series of each epsilon, as in the group that they are compared with, then those that this group alone has.
SeriesGroup fp32_group(const std::vector<double>& epsilons) {
  SeriesGroup group = sharpness_group(epsilons, "fp32_sharpness", "logit sharpness in fp32");
  for (const double epsilon : epsilons) {
    const std::string eps = epsilon_name(epsilon);
    for (const auto& [series, tokens] : kTokens) {
      group.series.push_back({join_parts("own_minus_fp32_", series, "_eps", eps), "1",
                              join_parts("logit sharpness at eps ", eps, " in the run's precision less that in fp32, ",
                                         "mean over ", tokens)});
      group.series.push_back(
          {join_parts("centred_", series, "_eps", eps), "1",
           join_parts("logit sharpness in fp32 of the centred logits at eps ", eps, ", mean over ", tokens)});
    }
  }
  group.series.push_back({"loss", "nats", "training loss of the step's batch in fp32"});
  return group;
}

class Fp32SharpnessProbe : public Probe {
 public:
  explicit Fp32SharpnessProbe(const RunConfig& config)
      : Probe(config, "fp32_sharpness", fp32_group(config.metrics.epsilons)),
        epsilons_(config.metrics.epsilons),
        batch_(config.train.batch) {}

  ProbeMemory memory() const override {
    return {.pass = ProbeMemory::Pass::Forward, .batch = batch_, .is_exact = true, .copies = 2};
  }

  void before_forward(ForwardRequest& request) override { request.epsilons = epsilons_; }
  void after_backward(const ForwardPass& pass, ProbeRow&) override { own_ = pass.sharpness; }

  void before_update(const ProbedStep& step, const TensorVector&, ProbeRow& row) override {
    const at::NoGradGuard no_gradients;
    ScaleStates none;
    ForwardContext context;
    context.step = static_cast<std::uint32_t>(step.step);
    context.scales = &none;
    const ForwardPass pass = forward_pass(*exact_.at(step), step.config, step.batch, context, epsilons_);
    const std::int64_t tokens = pass.targets.numel(), length = step.config.model.context;
    const std::vector<BatchSharpness> centred = centred_batch_sharpness(
        floats(pass.logits), integers(pass.targets), tokens / length, length, pass.logits.size(-1), epsilons_);
    row = sharpness_values(pass.sharpness);
    for (std::size_t e = 0; e < epsilons_.size(); ++e)
      for (const auto tokens_of : {&BatchSharpness::last_token, &BatchSharpness::all_tokens}) {
        const auto mean = [&](const BatchSharpness& sharpness) { return (sharpness.*tokens_of).mean_of_metrics; };
        row.insert(row.end(), {mean(own_[e]) - mean(pass.sharpness[e]), mean(centred[e])});
      }
    row.push_back(pass.loss.item<float>());
  }

 private:
  std::vector<double> epsilons_;
  std::int64_t batch_;
  std::vector<BatchSharpness> own_;  // of the step under way
  ExactModel exact_;
};

}  // namespace

void add_fp32_sharpness_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  probes.push_back(std::make_unique<Fp32SharpnessProbe>(config));
}

}  // namespace precipice
