// SPDX-License-Identifier: Apache-2.0
// Group "heads" (step, head): q_spectral_norm and k_spectral_norm, the largest singular values of a head's W^Q and of
// the W^K that it meets, (D, C), at the weights before the update (arXiv 2510.04212: they grow before bf16 attention
// fails).
#include <fmt/format.h>

#include "train/probes/probe.h"
#include "train/probes/spectral_norms.h"

namespace precipice {
namespace {

SeriesGroup heads_group(std::int64_t layers, std::int64_t heads) {
  SeriesGroup group{"heads",
                    {{"q_spectral_norm", "1", "largest singular value of the head's query weights"},
                     {"k_spectral_norm", "1", "largest singular value of the key weights that the head meets"}},
                    {}};
  for (std::int64_t layer = 0; layer < layers; ++layer)
    for (std::int64_t head = 0; head < heads; ++head) group.sites.push_back(fmt::format("h.{}.head.{}", layer, head));
  return group;
}

class HeadsProbe : public Probe {
 public:
  explicit HeadsProbe(const RunConfig& config)
      : Probe(config, "attention", heads_group(config.model.layers, config.model.heads)) {}

  void before_update(const ProbedStep& step, const TensorVector&, ProbeRow& row) override {
    const ModelConfig& model = step.config.model;
    const std::int64_t heads_of_key = model.heads / model.key_heads();
    std::vector<double> keys;
    for (std::int64_t layer = 0; layer < model.layers; ++layer) {
      const auto [q, k] = step.model.query_and_key_weights(layer);
      const std::vector<double> of_queries = block_spectral_norms(q, model.heads),
                                of_keys = block_spectral_norms(k, model.key_heads());
      row.insert(row.end(), of_queries.begin(), of_queries.end());
      for (std::int64_t head = 0; head < model.heads; ++head)
        keys.push_back(of_keys[static_cast<std::size_t>(head / heads_of_key)]);
    }
    row.insert(row.end(), keys.begin(), keys.end());
  }
};

}  // namespace

void add_heads_probe(const RunConfig& config, const ModelPlaces&, Probes& probes) {
  if (config.model.kind->has_attention()) probes.push_back(std::make_unique<HeadsProbe>(config));
}

}  // namespace precipice
