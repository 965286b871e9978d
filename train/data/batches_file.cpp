// SPDX-License-Identifier: Apache-2.0
#include "train/data/batches_file.h"

#include <algorithm>
#include <limits>

#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "precision/base/check.h"
#include "train/data/unigram_entropy.h"

namespace precipice {
namespace {

constexpr std::uint64_t kMaxTokens = std::uint64_t{1} << 28;  // of /x, and of /y
constexpr std::uint64_t kMaxBatchesBytes = std::uint64_t{1} << 33;

std::vector<std::uint64_t> shape_of(const RunConfig& config, std::int64_t steps) {
  return {static_cast<std::uint64_t>(steps), static_cast<std::uint64_t>(config.train.batch),
          static_cast<std::uint64_t>(config.model.context)};
}

class BatchesSource final : public TokenSource {
 public:
  explicit BatchesSource(const RunConfig& config) : path_(config.data.path), data_(config.data) {
    vocabulary_ = config.data.vocabulary;
    entropy_floor_ = std::numeric_limits<double>::quiet_NaN();
    std::string bytes = read_file(path_, kMaxBatchesBytes);
    sha256_ = sha256_hex(bytes);
    const Hdf5Reader reader(std::move(bytes), path_);
    x_ = read(reader, "/x", config);
    y_ = read(reader, "/y", config);
    batch_tokens_ = static_cast<std::size_t>(config.train.batch * config.model.context);
  }

  Batch training_batch(std::int64_t step) const override {
    const std::size_t begin = static_cast<std::size_t>(data_.batch_at(step)) * batch_tokens_;
    PRECIPICE_CHECK(step >= 0 && begin < x_.size(), "step ", step);
    const auto part = [&](const std::vector<std::int64_t>& all) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(begin);
      return std::vector<std::int64_t>(first, first + static_cast<std::ptrdiff_t>(batch_tokens_));
    };
    return {part(x_), part(y_)};
  }
  std::int64_t validation_batches() const override { return 0; }
  // Of the tokens that the loss is of.
  double unigram_entropy() const override {
    return precipice::unigram_entropy(static_cast<std::int64_t>(y_.size()),
                                      [this](std::int64_t i) { return y_[static_cast<std::size_t>(i)]; });
  }
  Batch validation_batch(std::int64_t index) const override {
    PRECIPICE_CHECK(false, "validation batch ", index, " of a source that has none");
  }

 private:
  std::vector<std::int64_t> read(const Hdf5Reader& reader, const std::string& name, const RunConfig& config) const {
    const std::vector<std::uint64_t> shape = reader.shape(name);
    const std::int64_t batches = std::min(config.train.steps, data_.cycle.value_or(config.train.steps));
    const std::vector<std::uint64_t> needed = shape_of(config, batches);
    if (shape.size() != 3 || shape[0] < needed[0] || shape[1] != needed[1] || shape[2] != needed[2]) {
      std::string found;
      for (const std::uint64_t extent : shape) found += (found.empty() ? "" : ", ") + std::to_string(extent);
      throw DataError(join_parts(path_, ": ", name, " has shape (", found, "); (",
                                 data_.cycle ? "data.cycle" : "train.steps", " or more, train.batch, ",
                                 "model.context) = (", needed[0], ", ", needed[1], ", ", needed[2], ") is needed"));
    }
    std::vector<std::int64_t> tokens = reader.read_integers(name, kMaxTokens);
    for (std::size_t i = 0; i < tokens.size(); ++i)
      if (tokens[i] < 0 || tokens[i] >= vocabulary_)
        throw DataError(join_parts(path_, ": ", name, " has token ", tokens[i], " at position ", i,
                                   "; data.vocabulary = ", vocabulary_, " allows 0 to ", vocabulary_ - 1));
    return tokens;
  }

  std::string path_;
  DataConfig data_;
  std::vector<std::int64_t> x_, y_;  // (steps, batch, context)
  std::size_t batch_tokens_ = 0;
};

// `what` is the key that `count` comes from; batch_of(i) gives one batch.
template <class BatchOf>
void write_batches(const std::filesystem::path& path, const TokenSource& source, const RunConfig& config,
                   std::int64_t count, const char* what, const BatchOf& batch_of) {
  if (config.data.source == DataSource::Teacher)
    throw ConfigError({"", 0, "data.source", to_string(config.data.source)}, "has no tokens, which the file is of");
  const std::uint64_t batch_tokens = static_cast<std::uint64_t>(config.train.batch * config.model.context);
  const std::uint64_t most = kMaxTokens / batch_tokens;
  if (count < 1 || static_cast<std::uint64_t>(count) > most)
    throw ConfigError({"", 0, what, std::to_string(count)},
                      join_parts("1 to ", most, " batches of ", batch_tokens, " tokens fit into a file"));
  std::vector<std::int64_t> x, y;
  x.reserve(static_cast<std::size_t>(count) * batch_tokens);
  y.reserve(static_cast<std::size_t>(count) * batch_tokens);
  for (std::int64_t i = 0; i < count; ++i) {
    const Batch batch = batch_of(i);
    x.insert(x.end(), batch.x.begin(), batch.x.end());
    y.insert(y.end(), batch.y.begin(), batch.y.end());
  }
  const std::vector<std::uint64_t> shape = shape_of(config, count);
  Hdf5Writer writer;
  writer.write("/x", std::span<const std::int64_t>(x), shape);
  writer.write("/y", std::span<const std::int64_t>(y), shape);
  writer.attribute("/", "data_source", to_string(config.data.source));
  writer.attribute("/", "data_sha256", source.sha256());
  writer.attribute("/", "data_seed", config.data.seed.value());
  write_file_atomic(path, writer.finish());
}

}  // namespace

std::unique_ptr<TokenSource> open_batches(const RunConfig& config) {
  return std::make_unique<BatchesSource>(config);
}

void write_batches(const std::filesystem::path& path, const TokenSource& source, const RunConfig& config,
                   std::int64_t steps) {
  write_batches(path, source, config, steps, "steps", [&](std::int64_t step) { return source.training_batch(step); });
}

std::int64_t write_validation_batches(const std::filesystem::path& path, const TokenSource& source,
                                      const RunConfig& config) {
  const std::int64_t count = source.validation_batches();
  if (count == 0) throw DataError("data.source = " + to_string(config.data.source) + " has no validation part");
  write_batches(path, source, config, count, "train.eval_batches",
                [&](std::int64_t index) { return source.validation_batch(index); });
  return count;
}

}  // namespace precipice
