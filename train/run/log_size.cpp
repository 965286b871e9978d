// SPDX-License-Identifier: Apache-2.0
#include "train/run/log_size.h"

#include "metrics/log/step_record.h"
#include "precision/policy/policy.h"
#include "train/probes/all_probes.h"
#include "train/run/trainer.h"

namespace precipice {
namespace {

constexpr double kNumber = 8, kRowOverhead = 64;  // bytes

// Gains of norms, which are two a block and one at the end, and with model.qk_norm two more a block.
std::size_t gains_of(const ModelConfig& m) {
  const auto layers = static_cast<std::size_t>(m.layers);
  return 2 * layers + 1 + (m.qk_norm == "none" ? 0 : 2 * layers);
}

// Tensors of parameters (train/model/gpt.cpp, train/model/llama.cpp).
std::size_t tensors_of(const ModelConfig& m) {
  const auto layers = static_cast<std::size_t>(m.layers);
  const std::size_t untied = m.is_tied() ? 0 : 1;
  if (m.kind == "llama") return 1 + 7 * layers + gains_of(m) + untied;
  const std::size_t biases = m.bias ? 4 * layers + 2 * layers + 1 : 0;
  return 2 + 4 * layers + gains_of(m) + biases + untied;
}

}  // namespace

Probes planned_probes(const RunConfig& config) {
  const bool is_gated = config.model.kind == "llama";
  ModelPlaces places;
  places.sites =
      (is_gated ? PrecisionPolicy(config.model.layers, kGatedBlockSites) : PrecisionPolicy(config.model.layers))
          .site_names();
  places.norms.resize(gains_of(config.model));
  places.parameters.resize(tensors_of(config.model));
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
