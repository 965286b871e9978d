// SPDX-License-Identifier: Apache-2.0
// The probes there are.
#pragma once

#include <functional>

#include "train/probes/probe.h"

namespace precipice {

// Each with its interval in `config`, in the order of their groups in a run's log. An interval of 0 leaves a probe in
// the list, its group in the log without rows, unless MetricInterval::is_optional takes both away.
Probes all_probes(const RunConfig& config, const ModelPlaces& places);

// While this object lives, all_probes() has what `add` appends as well, at its end: how a test brings a probe.
class AddedProbe {
 public:
  using Add = std::function<void(const RunConfig&, const ModelPlaces&, Probes&)>;
  explicit AddedProbe(Add add);
  ~AddedProbe();
  AddedProbe(const AddedProbe&) = delete;
  AddedProbe& operator=(const AddedProbe&) = delete;
};

}  // namespace precipice
