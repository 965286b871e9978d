// SPDX-License-Identifier: Apache-2.0
#include "train/estimates/log_size.h"

#include "metrics/log/step_record.h"
#include "precision/policy/policy.h"
#include "train/config/model_shapes.h"
#include "train/probes/all_probes.h"
#include "train/probes/log_groups.h"

namespace precipice {
namespace {

constexpr double kNumber = 8, kRowOverhead = 64;  // bytes

}  // namespace

Probes planned_probes(const RunConfig& config) {
  const ParameterCount parameters = count_parameters(config.model, config.data.vocabulary);
  ModelPlaces places;
  places.sites =
      PrecisionPolicy(config.model.layers, config.model.kind->block_sites, config.model.kind->predicts_tokens())
          .site_names();
  places.norms.resize(static_cast<std::size_t>(parameters.gains));
  places.parameters.resize(static_cast<std::size_t>(parameters.tensors));
  return all_probes(config, places);
}

std::vector<LoggedGroup> logged_groups(const RunConfig& config) {
  const auto steps = static_cast<double>(config.train.steps);
  const auto rows = [&](std::int64_t every) { return every > 0 ? steps / static_cast<double>(every) + 1 : 0; };
  std::vector<LoggedGroup> groups{{"metrics", step_record_group().row_width(), steps},
                                  {"eval", eval_group().row_width(), rows(config.train.eval_every) + 1}};
  for (const auto& probe : planned_probes(config))
    groups.push_back({probe->group().name, probe->group().row_width(), rows(probe->every())});
  return groups;
}

double log_bytes(const RunConfig& config) {
  double bytes = 0;
  for (const LoggedGroup& group : logged_groups(config))
    bytes += group.rows * (kNumber * static_cast<double>(group.row_width) + kRowOverhead);
  return bytes;
}

}  // namespace precipice
