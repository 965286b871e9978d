// SPDX-License-Identifier: Apache-2.0
// The list of all probes: a function of each file <name>_probe.cpp, and the order of their groups. A journal names its
// groups in this order, so a run goes on only with the list it was begun with.
#include "train/probes/all_probes.h"

namespace precipice {

using AddProbe = void(const RunConfig&, const ModelPlaces&, Probes&);
AddProbe add_sharpness_probe, add_tensors_probe, add_attention_probe, add_heads_probe, add_activations_probe,
    add_norms_probe, add_critical_probe, add_sam_probe, add_noise_probe, add_edge_probe, add_gradient_error_probes,
    add_lbfgs_probe, add_histograms_probe;

namespace {

std::vector<AddedProbe::Add>& probe_list() {
  static std::vector<AddedProbe::Add> list{
      add_sharpness_probe,        // sharpness
      add_tensors_probe,          // tensors
      add_attention_probe,        // attention
      add_heads_probe,            // heads
      add_activations_probe,      // activations
      add_norms_probe,            // norms
      add_critical_probe,         // critical
      add_sam_probe,              // sam
      add_noise_probe,            // noise
      add_edge_probe,             // edge
      add_gradient_error_probes,  // gradient_error, parameter_errors
      add_lbfgs_probe,            // lbfgs
      add_histograms_probe,       // histograms
  };
  return list;
}

}  // namespace

Probes all_probes(const RunConfig& config, const ModelPlaces& places) {
  Probes probes;
  for (const AddedProbe::Add& add : probe_list()) add(config, places, probes);
  return probes;
}

AddedProbe::AddedProbe(Add add) {
  probe_list().push_back(std::move(add));
}

AddedProbe::~AddedProbe() {
  probe_list().pop_back();
}

}  // namespace precipice
