// SPDX-License-Identifier: Apache-2.0
// Group "tensors" (step, site): what quantizing did to every operand (metrics/tensors/tensor_stats.h), from the
// quantizers' own counts and from the operands before and after.
#include "metrics/tensors/tensor_stats.h"
#include "train/probes/float_span.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

// The operand's first rounding, whose result a second pass may share: x, w, dy of kOperandNames.
std::size_t first_of(Slot slot) {
  if (slot == Slot::FpropX || slot == Slot::WgradX) return 0;
  return slot == Slot::FpropW || slot == Slot::DgradW ? 1 : 2;
}

bool is_second(Slot slot) {
  return slot == Slot::DgradW || slot == Slot::WgradDy || slot == Slot::WgradX;
}

bool is_operand(Slot slot) {
  return slot <= Slot::WgradX;
}

RoundingError error_of(const at::Tensor& operand, const Quantized& taken) {
  const at::Tensor x = operand.detach().contiguous();
  if (!taken.scales.defined()) {
    const at::Tensor values = on_host(taken.values.detach().contiguous());
    if (values.scalar_type() == at::kFloat) return rounding_error(floats(x), floats(values), taken.scale);
    const auto* packed = static_cast<const std::uint16_t*>(values.const_data_ptr());
    return rounding_error(floats(x), std::span(packed, static_cast<std::size_t>(values.numel())), taken.scale);
  }
  RoundingError error = rounding_error(floats(x), floats(dequantized(taken).detach()));
  error.scale = taken.scales.max().item<double>();
  return error;
}

class TensorsProbe : public Probe, private QuantizationObserver {
 public:
  TensorsProbe(const RunConfig& config, const ModelPlaces& places)
      : Probe(config, "tensors", TensorStats(places.sites).group()), stats_(places.sites) {}

  ProbeMemory memory() const override { return {.observes = true}; }

  void before_forward(ForwardRequest& request) override {
    stats_.clear();
    request.operands.push_back(this);
  }
  void after_backward(const ForwardPass&, ProbeRow& row) override { row = stats_.values(); }

 private:
  void observe(std::size_t site, Slot slot, const EventCounts& events) override {
    if (is_operand(slot)) stats_.record(site, static_cast<std::size_t>(slot), events);
  }
  void take(std::size_t site, Slot slot, const at::Tensor& operand, const Quantized& taken) override {
    if (operand.defined())
      stats_.record(site, static_cast<std::size_t>(slot), error_of(operand, taken));
    else if (is_second(slot))
      stats_.share(site, first_of(slot), static_cast<std::size_t>(slot));
  }

  TensorStats stats_;
};

}  // namespace

void add_tensors_probe(const RunConfig& config, const ModelPlaces& places, Probes& probes) {
  probes.push_back(std::make_unique<TensorsProbe>(config, places));
}

}  // namespace precipice
