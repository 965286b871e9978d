// SPDX-License-Identifier: Apache-2.0
// The list of all probes: a function of each file <name>_probe.cpp, and the order of their groups. A journal names its
// groups in this order, so a run goes on only with the list it was begun with.
#include "train/probes/all_probes.h"

#include <algorithm>

namespace precipice {

using AddProbe = void(const RunConfig&, const ModelPlaces&, Probes&);
AddProbe add_sharpness_probe, add_tensors_probe, add_attention_probe, add_heads_probe, add_activations_probe,
    add_norms_probe, add_critical_probe, add_sam_probe, add_noise_probe, add_edge_probe, add_gradient_error_probes,
    add_lbfgs_probe, add_histograms_probe, add_fp32_sharpness_probe, add_centred_sharpness_probe, add_hessian_probe;

namespace {

std::vector<AddedProbe::Add>& probe_list() {
  static std::vector<AddedProbe::Add> list{
      add_sharpness_probe,          // sharpness
      add_tensors_probe,            // tensors
      add_attention_probe,          // attention
      add_heads_probe,              // heads
      add_activations_probe,        // activations
      add_norms_probe,              // norms
      add_critical_probe,           // critical
      add_sam_probe,                // sam
      add_noise_probe,              // noise
      add_edge_probe,               // edge
      add_gradient_error_probes,    // gradient_error, parameter_errors
      add_lbfgs_probe,              // lbfgs
      add_histograms_probe,         // histograms
      add_fp32_sharpness_probe,     // fp32_sharpness
      add_centred_sharpness_probe,  // centred_sharpness
      add_hessian_probe,            // hessian
  };
  return list;
}

bool is_optional(const std::string& interval) {
  return std::ranges::any_of(metric_intervals(),
                             [&](const MetricInterval& one) { return one.name == interval && one.is_optional; });
}

}  // namespace

Probes all_probes(const RunConfig& config, const ModelPlaces& places) {
  Probes probes;
  for (const AddedProbe::Add& add : probe_list()) add(config, places, probes);
  std::erase_if(probes, [](const auto& probe) { return probe->every() == 0 && is_optional(probe->interval()); });
  return probes;
}

AddedProbe::AddedProbe(Add add) {
  probe_list().push_back(std::move(add));
}

AddedProbe::~AddedProbe() {
  probe_list().pop_back();
}

}  // namespace precipice
