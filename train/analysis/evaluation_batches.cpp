// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/evaluation_batches.h"

#include <algorithm>
#include <cstring>

#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "train/data/open_tokens.h"

namespace precipice {
namespace {

constexpr std::uint64_t kMaxTokenBytes = std::uint64_t{1} << 30;

}  // namespace

std::vector<Batch> read_given_tokens(const GivenTokens& tokens, const ModelConfig& model, std::int64_t vocabulary) {
  if (!model.kind->predicts_tokens())
    throw ConfigError({"", 0, "tokens", tokens.file.string()},
                      join_parts("model.kind = \"", model.kind->name, "\" takes no tokens"));
  const std::string name = tokens.file.string(), bytes = read_file(tokens.file, kMaxTokenBytes);
  const std::int64_t row = model.context + 1, needed = tokens.batch * row;
  if (static_cast<std::int64_t>(bytes.size()) != 4 * needed)
    throw DataError(join_parts(name, ": ", bytes.size(),
                               " bytes; int32 tokens of shape (`batch`, model.context + 1) = (", tokens.batch, ", ",
                               row, ") have ", 4 * needed));
  Batch batch;
  for (std::int64_t i = 0; i < needed; ++i) {
    std::int32_t token = 0;
    std::memcpy(&token, bytes.data() + 4 * i, sizeof token);
    if (token < 0 || token >= vocabulary)
      throw DataError(join_parts(name, ": token ", token, " at position ", i, "; the run's vocabulary allows 0 to ",
                                 vocabulary - 1));
    const std::int64_t position = i % row;
    if (position < model.context) batch.x.push_back(token);
    if (position > 0) batch.y.push_back(token);
  }
  return {std::move(batch)};
}

std::vector<Batch> validation_batches(const RunConfig& config, std::int64_t limit) {
  const auto source = open_tokens(config);
  std::int64_t count = source->validation_batches();
  if (count == 0)
    throw DataError("data.source = " + to_string(config.data.source) +
                    " has no validation part to evaluate on; give `tokens` and their `batch`");
  if (limit > 0) count = std::min(count, limit);
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < count; ++i) batches.push_back(source->validation_batch(i));
  return batches;
}

}  // namespace precipice
