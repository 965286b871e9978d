// SPDX-License-Identifier: Apache-2.0
// Group "activations" (step, site): x_kurtosis of the operand x before it is quantized
// (metrics/tensors/activation_statistics.h has the formula).
#include "metrics/log/step_record.h"
#include "metrics/tensors/activation_statistics.h"
#include "train/probes/float_span.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

class ActivationsProbe : public Probe, private QuantizationObserver {
 public:
  ActivationsProbe(const RunConfig& config, const ModelPlaces& places)
      : Probe(config, "attention",
              {"activations",
               {{"x_kurtosis", "1", "kurtosis of the operand x before quantizing; 3: normal"}},
               places.sites}) {}

  ProbeMemory memory() const override { return {.observes = true}; }

  void before_forward(ForwardRequest& request) override {
    seen_.assign(group().row_width(), kNotMeasured);
    request.operands.push_back(this);
  }
  void after_backward(const ForwardPass&, ProbeRow& row) override { row = seen_; }

 private:
  void observe(std::size_t, Slot, const EventCounts&) override {}
  void see(std::size_t site, Slot slot, const at::Tensor& operand) override {
    if (slot == Slot::FpropX) seen_.at(site) = kurtosis(floats(operand.detach().contiguous()));
  }

  ProbeRow seen_;
};

}  // namespace

void add_activations_probe(const RunConfig& config, const ModelPlaces& places, Probes& probes) {
  probes.push_back(std::make_unique<ActivationsProbe>(config, places));
}

}  // namespace precipice
