// SPDX-License-Identifier: Apache-2.0
// Group "histograms" (step, site, bin): exponents of every operand before it is quantized and as each pass takes it
// (metrics/tensors/exponent_histograms.h).
#include "metrics/tensors/exponent_histograms.h"
#include "train/probes/float_span.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

// Places of the group's series: x, w, dy as they come, then one for each slot of an operand.
constexpr std::size_t kX = 0, kW = 1, kDy = 2, kFirstTaken = 3;

class HistogramsProbe : public Probe, private QuantizationObserver {
 public:
  HistogramsProbe(const RunConfig& config, const ModelPlaces& places)
      : Probe(config, "histograms", ExponentHistograms(places.sites).group()), histograms_(places.sites) {}

  ProbeMemory memory() const override { return {.observes = true}; }

  void before_forward(ForwardRequest& request) override {
    histograms_.clear();
    request.operands.push_back(this);
  }
  void after_backward(const ForwardPass&, ProbeRow& row) override { row = histograms_.values(); }

 private:
  void observe(std::size_t, Slot, const EventCounts&) override {}
  void see(std::size_t site, Slot slot, const at::Tensor& operand) override {
    if (slot == Slot::FpropX) add(site, kX, operand);
    if (slot == Slot::FpropW) add(site, kW, operand);
    if (slot == Slot::DgradDy) add(site, kDy, operand);
  }
  void take(std::size_t site, Slot slot, const at::Tensor&, const Quantized& taken) override {
    add(site, kFirstTaken + static_cast<std::size_t>(slot), taken.widened().values);
  }
  void add(std::size_t site, std::size_t series, const at::Tensor& values) {
    histograms_.add(site, series, floats(values.detach().contiguous()));
  }

  ExponentHistograms histograms_;
};

}  // namespace

void add_histograms_probe(const RunConfig& config, const ModelPlaces& places, Probes& probes) {
  probes.push_back(std::make_unique<HistogramsProbe>(config, places));
}

}  // namespace precipice
