// SPDX-License-Identifier: Apache-2.0
// Group "attention" (step, layer): max_attention_logit and attention_entropy, collected while the forward pass runs
// (metrics/tensors/activation_statistics.h has the formulas).
#include <fmt/format.h>

#include "metrics/log/step_record.h"
#include "metrics/tensors/activation_statistics.h"
#include "train/probes/float_span.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

SeriesGroup attention_group(std::int64_t layers) {
  SeriesGroup group{"attention",
                    {{"max_attention_logit", "1", "largest attention logit of the layer"},
                     {"attention_entropy", "nats", "mean entropy of the layer's attention weights"}},
                    {}};
  for (std::int64_t layer = 0; layer < layers; ++layer) group.sites.push_back(fmt::format("h.{}", layer));
  return group;
}

class AttentionProbe : public Probe, private AttentionObserver {
 public:
  explicit AttentionProbe(const RunConfig& config)
      : Probe(config, "attention", attention_group(config.model.layers)), layers_(config.model.layers) {}

  ProbeMemory memory() const override { return {.observes = true}; }

  void before_forward(ForwardRequest& request) override {
    seen_.assign(group().row_width(), kNotMeasured);
    request.attention.push_back(this);
  }
  void after_backward(const ForwardPass&, ProbeRow& row) override { row = seen_; }

 private:
  void attend(std::int64_t layer, const at::Tensor& scores, const at::Tensor& weights, double scale) override {
    const at::Tensor a = scores.detach().contiguous(), p = weights.detach().contiguous();
    const AttentionStatistics statistics = attention_statistics(floats(a), floats(p), a.size(-1), scale);
    seen_[static_cast<std::size_t>(layer)] = statistics.max_logit;
    seen_[static_cast<std::size_t>(layers_ + layer)] = statistics.entropy;
  }

  std::int64_t layers_;
  ProbeRow seen_;
};

}  // namespace

void add_attention_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  if (config.model.kind->has_attention()) probes.push_back(std::make_unique<AttentionProbe>(config));
}

}  // namespace precipice
