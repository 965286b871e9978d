// SPDX-License-Identifier: Apache-2.0
// Group "norms" (step, norm): gain_min, gain_max, gain_rounded_to_one, gain_clamped of each norm's gains, at the
// weights before the update (metrics/tensors/activation_statistics.h has the formulas).
#include "metrics/tensors/activation_statistics.h"
#include "train/probes/float_span.h"
#include "train/probes/probe.h"

namespace precipice {
namespace {

class NormsProbe : public Probe {
 public:
  NormsProbe(const RunConfig& config, const ModelPlaces& places)
      : Probe(config, "attention",
              {"norms",
               {{"gain_min", "1", "smallest gain of the norm"},
                {"gain_max", "1", "largest gain of the norm"},
                {"gain_rounded_to_one", "1", "fraction of the gains that E4M3 rounds to 1"},
                {"gain_clamped", "1", "fraction of the gains above the largest value of their MX E4M3 block"}},
               places.norms}) {}

  void before_update(const ProbedStep& step, const TensorVector&, ProbeRow& row) override {
    const std::vector<at::Tensor> gains = gains_of(step.model);
    row.resize(group().row_width());
    for (std::size_t i = 0; i < gains.size(); ++i) {
      const GainStatistics s = gain_statistics(floats(gains[i]));
      std::size_t series = 0;
      for (const double value : {s.min, s.max, s.rounded_to_one, s.clamped}) row[series++ * gains.size() + i] = value;
    }
  }
};

}  // namespace

void add_norms_probe(const RunConfig& config, const ModelPlaces& places, Probes& probes) {
  probes.push_back(std::make_unique<NormsProbe>(config, places));
}

}  // namespace precipice
