// SPDX-License-Identifier: Apache-2.0
#include "train/model/architectures.h"

#include <utility>

#include "train/model/gpt.h"
#include "train/model/llama.h"

namespace precipice {

std::unique_ptr<Model> make_model(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary,
                                  PrecisionSchedule schedule) {
  if (config.kind == "llama") return std::make_unique<Llama>(config, init, vocabulary, std::move(schedule));
  return std::make_unique<Gpt>(config, init, vocabulary, std::move(schedule));
}

std::int64_t count_parameters(const ModelConfig& c, std::int64_t vocabulary) {
  const bool llama = c.kind == "llama";
  const std::int64_t queries = c.width, keys = c.key_heads() * c.head_size(), hidden = c.mlp_width();
  const std::int64_t norm = c.width * (c.bias ? 2 : 1);
  const std::int64_t matrices = c.width * (2 * queries + 2 * keys + (llama ? 3 : 2) * hidden);
  const std::int64_t biases = c.bias ? queries + 2 * keys + c.width + hidden + c.width : 0;
  const std::int64_t block = matrices + biases + 2 * norm + (c.qk_norm == "none" ? 0 : 2 * c.head_size());
  const std::int64_t embeddings = (vocabulary * (c.is_tied() ? 1 : 2) + (llama ? 0 : c.context)) * c.width;
  return embeddings + c.layers * block + norm;
}

}  // namespace precipice
