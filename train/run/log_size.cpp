// SPDX-License-Identifier: Apache-2.0
#include "train/run/log_size.h"

#include "metrics/log/step_record.h"
#include "metrics/logits/logit_ascent.h"
#include "metrics/logits/logit_sharpness.h"
#include "metrics/tensors/exponent_histograms.h"
#include "metrics/tensors/tensor_stats.h"
#include "precision/policy/policy.h"

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

std::vector<LoggedGroup> logged_groups(const RunConfig& config) {
  const MetricsConfig& m = config.metrics;
  const auto steps = static_cast<double>(config.train.steps);
  const auto every = [&](std::int64_t interval) {
    return interval > 0 ? steps / static_cast<double>(interval) + 1 : 0;
  };
  const bool is_gated = config.model.kind == "llama";
  const std::vector<std::string> sites =
      (is_gated ? PrecisionPolicy(config.model.layers, kGatedBlockSites) : PrecisionPolicy(config.model.layers))
          .site_names();
  const auto layers = static_cast<std::size_t>(config.model.layers),
             heads = static_cast<std::size_t>(config.model.heads);
  const double attention = every(m.attention_every), errors = every(m.gradient_error_every);
  return {{"metrics", step_record_group().row_width(), steps},
          {"eval", 2, every(config.train.eval_every) + 1},
          {"sharpness", sharpness_group(m.epsilons).row_width(), every(m.sharpness_every)},
          {"tensors", TensorStats(sites).group().row_width(), every(m.tensors_every)},
          {"attention", 2 * layers, attention},
          {"heads", 2 * layers * heads, attention},
          {"activations", sites.size(), attention},
          {"norms", 4 * gains_of(config.model), attention},
          {"critical", 4, every(m.critical_every)},
          {"sam", 1, every(m.sam_every)},
          {"noise", 3, every(m.noise_every)},
          {"edge", 2, every(m.edge_every)},
          {"gradient_error", 2, errors},
          {"parameter_errors", 4 * tensors_of(config.model), errors},
          {"lbfgs", ascent_group(m.epsilons, m.lbfgs_subspace).row_width(), every(m.lbfgs_every)},
          {"histograms", ExponentHistograms(sites).group().row_width(), every(m.histograms_every)}};
}

double log_bytes(const RunConfig& config) {
  double bytes = 0;
  for (const LoggedGroup& group : logged_groups(config))
    bytes += group.rows * (kNumber * static_cast<double>(group.row_width) + kRowOverhead);
  return bytes;
}

}  // namespace precipice
