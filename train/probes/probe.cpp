// SPDX-License-Identifier: Apache-2.0
#include "train/probes/probe.h"

#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::string_view kWeightSuffix = ".weight";

bool is_gain(const NamedParameter& parameter) {
  return parameter.value.dim() == 1 && parameter.name.ends_with(kWeightSuffix);
}

}  // namespace

ModelPlaces places_of(const Model& model) {
  ModelPlaces places{model.policy().site_names(), {}, {}};
  for (const NamedParameter& parameter : model.parameters()) {
    places.parameters.push_back(parameter.name);
    if (is_gain(parameter))
      places.norms.push_back(parameter.name.substr(0, parameter.name.size() - kWeightSuffix.size()));
  }
  return places;
}

std::vector<at::Tensor> gains_of(const Model& model) {
  std::vector<at::Tensor> gains;
  for (const NamedParameter& parameter : model.parameters())
    if (is_gain(parameter)) gains.push_back(parameter.value.detach());
  return gains;
}

Probe::Probe(const RunConfig& config, std::string interval, SeriesGroup group)
    : interval_(std::move(interval)), group_(std::move(group)) {
  const auto found = config.metrics.intervals.find(interval_);
  PRECIPICE_CHECK(found != config.metrics.intervals.end(), "no interval metrics.", interval_, "_every");
  every_ = found->second;
}

}  // namespace precipice
