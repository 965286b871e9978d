// SPDX-License-Identifier: Apache-2.0
#include "train/probes/activation_probe.h"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "metrics/log/step_record.h"
#include "metrics/tensors/activation_statistics.h"

namespace precipice {
namespace {

constexpr std::string_view kWeightSuffix = ".weight";

std::span<const float> floats(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

SeriesGroup attention_group(std::int64_t layers) {
  SeriesGroup group{"attention",
                    {{"max_attention_logit", "1", "largest attention logit of the layer"},
                     {"attention_entropy", "nats", "mean entropy of the layer's attention weights"}},
                    {}};
  for (std::int64_t layer = 0; layer < layers; ++layer) group.sites.push_back(fmt::format("h.{}", layer));
  return group;
}

SeriesGroup heads_group(std::int64_t layers, std::int64_t heads) {
  SeriesGroup group{"heads",
                    {{"q_spectral_norm", "1", "largest singular value of the head's query weights"},
                     {"k_spectral_norm", "1", "largest singular value of the key weights that the head meets"}},
                    {}};
  for (std::int64_t layer = 0; layer < layers; ++layer)
    for (std::int64_t head = 0; head < heads; ++head) group.sites.push_back(fmt::format("h.{}.head.{}", layer, head));
  return group;
}

SeriesGroup norms_group() {
  return {"norms",
          {{"gain_min", "1", "smallest gain of the norm"},
           {"gain_max", "1", "largest gain of the norm"},
           {"gain_rounded_to_one", "1", "fraction of the gains that E4M3 rounds to 1"},
           {"gain_clamped", "1", "fraction of the gains above the largest value of their MX E4M3 block"}},
          {}};
}

}  // namespace

std::vector<double> block_spectral_norms(const at::Tensor& w, std::int64_t heads) {
  const at::Tensor blocks = w.detach().view({heads, -1, w.size(-1)}).to(at::kDouble);
  const at::Tensor gram = at::matmul(blocks, blocks.transpose(1, 2));
  // LAPACK wants numbers.
  const at::Tensor is_finite = at::isfinite(gram).flatten(1).all(1);
  const at::Tensor top =
      at::linalg_eigvalsh(at::where(is_finite.view({heads, 1, 1}), gram, 0.0)).select(1, -1).contiguous();
  std::vector<double> norms;
  for (std::int64_t head = 0; head < heads; ++head) {
    const double value = top.const_data_ptr<double>()[head];
    norms.push_back(is_finite.const_data_ptr<bool>()[head] ? std::sqrt(value < 0 ? 0.0 : value) : kNotMeasured);
  }
  return norms;
}

ActivationProbe::ActivationProbe(const Model& model, const ModelConfig& config)
    : model_(model),
      layers_(config.layers),
      heads_(config.heads),
      key_heads_(config.key_heads()),
      groups_{attention_group(config.layers),
              heads_group(config.layers, config.heads),
              {"activations",
               {{"x_kurtosis", "1", "kurtosis of the operand x before quantizing; 3: normal"}},
               model.policy().site_names()},
              norms_group()} {
  for (const NamedParameter& parameter : model.parameters()) {
    if (parameter.value.dim() != 1 || !parameter.name.ends_with(kWeightSuffix)) continue;
    gains_.push_back(parameter.value.detach());
    groups_.back().sites.push_back(parameter.name.substr(0, parameter.name.size() - kWeightSuffix.size()));
  }
  clear();
}

void ActivationProbe::clear() {
  attention_.assign(2 * static_cast<std::size_t>(layers_), kNotMeasured);
  kurtosis_.assign(groups_[2].sites.size(), kNotMeasured);
}

void ActivationProbe::attend(std::int64_t layer, const at::Tensor& scores, const at::Tensor& weights, double scale) {
  const at::Tensor a = scores.detach().contiguous(), p = weights.detach().contiguous();
  const AttentionStatistics statistics = attention_statistics(floats(a), floats(p), a.size(-1), scale);
  attention_[static_cast<std::size_t>(layer)] = statistics.max_logit;
  attention_[static_cast<std::size_t>(layers_ + layer)] = statistics.entropy;
}

void ActivationProbe::operand(std::size_t site, const at::Tensor& x) {
  kurtosis_.at(site) = kurtosis(floats(x.detach().contiguous()));
}

std::vector<double> ActivationProbe::head_values() const {
  std::vector<double> queries, keys;
  for (std::int64_t layer = 0; layer < layers_; ++layer) {
    const auto [q, k] = model_.query_and_key_weights(layer);
    const std::vector<double> of_queries = block_spectral_norms(q, heads_),
                              of_keys = block_spectral_norms(k, key_heads_);
    queries.insert(queries.end(), of_queries.begin(), of_queries.end());
    for (std::int64_t head = 0; head < heads_; ++head)
      keys.push_back(of_keys[static_cast<std::size_t>(head / (heads_ / key_heads_))]);
  }
  queries.insert(queries.end(), keys.begin(), keys.end());
  return queries;
}

std::vector<double> ActivationProbe::norm_values() const {
  std::vector<double> values(4 * gains_.size());
  for (std::size_t i = 0; i < gains_.size(); ++i) {
    const GainStatistics s = gain_statistics(floats(gains_[i]));
    std::size_t series = 0;
    for (const double value : {s.min, s.max, s.rounded_to_one, s.clamped}) values[series++ * gains_.size() + i] = value;
  }
  return values;
}

std::vector<SeriesRow> ActivationProbe::rows(std::uint16_t first_group, std::int64_t step) const {
  const auto group = [&](int offset) { return static_cast<std::uint16_t>(first_group + offset); };
  return {{group(0), step, attention_},
          {group(1), step, head_values()},
          {group(2), step, kurtosis_},
          {group(3), step, norm_values()}};
}

}  // namespace precipice
