// SPDX-License-Identifier: Apache-2.0
#include "train/data/stream_source.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "precision/base/check.h"
#include "precision/rounding/random_streams.h"
#include "train/data/unigram_entropy.h"

namespace precipice {
namespace {

class StreamSource final : public TokenSource {
 public:
  StreamSource(SharedStream stream, const RunConfig& config)
      : shared_(std::move(stream)),
        stream_(shared_->tokens),
        batch_(config.train.batch),
        context_(config.model.context),
        data_(config.data),
        seed_(static_cast<std::uint64_t>(config.data.seed.value())) {
    vocabulary_ = shared_->vocabulary;
    entropy_floor_ = shared_->entropy_floor;
    sha256_ = shared_->sha256;
    validation_size_ = static_cast<std::int64_t>(static_cast<double>(stream_.size()) * config.data.validation_fraction);
    training_size_ = stream_.size() - validation_size_;
    check_sizes(config.data);
    const std::int64_t disjoint_windows = (validation_size_ - 1) / context_;
    validation_batches_ = std::max<std::int64_t>(1, std::min(config.train.eval_batches, disjoint_windows / batch_));
  }

  // Starts are uniform over 0 .. training_size - context - 1, by multiplying a 64-bit word with their number: no
  // start's probability is off by more than 2^-64, relatively by (number of starts) / 2^64.
  Batch training_batch(std::int64_t step) const override {
    PRECIPICE_CHECK(step >= 0 && step <= std::numeric_limits<std::uint32_t>::max(), "step ", step);
    const RandomKey key = random_key(kBatchStream, seed_, static_cast<std::uint32_t>(data_.batch_at(step)));
    return gather([&](std::int64_t row) {
      const Philox4 block = random_block(key, static_cast<std::uint64_t>(row));
      const std::uint64_t word = std::uint64_t{block.word[1]} << 32 | block.word[0];
      const auto starts = static_cast<std::uint64_t>(training_size_ - context_);
      return static_cast<std::int64_t>((static_cast<unsigned __int128>(word) * starts) >> 64);
    });
  }

  std::int64_t validation_batches() const override { return validation_batches_; }

  double unigram_entropy() const override {
    if (shared_->unigram_entropy) return *shared_->unigram_entropy;
    return precipice::unigram_entropy(stream_.size(), [this](std::int64_t i) { return stream_[i]; });
  }

  Batch validation_batch(std::int64_t index) const override {
    PRECIPICE_CHECK(index >= 0 && index < validation_batches_, "validation batch ", index);
    const std::int64_t windows = validation_batches_ * batch_;
    const std::int64_t last_start = validation_size_ - context_ - 1;
    return gather([&](std::int64_t row) {
      const std::int64_t window = index * batch_ + row;
      return training_size_ + (windows > 1 ? window * last_start / (windows - 1) : 0);
    });
  }

 private:
  void check_sizes(const DataConfig& data) const {
    const std::int64_t needed = context_ + 1;
    if (training_size_ >= needed && validation_size_ >= needed) return;
    const std::string problem =
        join_parts(stream_.size(), " tokens give ", training_size_, " to training and ", validation_size_,
                   " to validation (data.validation_fraction = ", data.validation_fraction, "); each needs at least ",
                   needed, " (model.context + 1)");
    if (is_generated(data.source)) throw ConfigError({"", 0, "data.tokens", std::to_string(data.tokens)}, problem);
    throw DataError(data.path + ": " + problem);
  }

  template <class StartOfRow>
  Batch gather(const StartOfRow& start_of_row) const {
    stream_.file().check_unchanged();
    Batch batch;
    batch.x.reserve(static_cast<std::size_t>(batch_ * context_));
    batch.y.reserve(static_cast<std::size_t>(batch_ * context_));
    for (std::int64_t row = 0; row < batch_; ++row) {
      const std::int64_t start = start_of_row(row);
      for (std::int64_t t = 0; t < context_; ++t) {
        batch.x.push_back(stream_[start + t]);
        batch.y.push_back(stream_[start + t + 1]);
      }
    }
    return batch;
  }

  SharedStream shared_;
  const TokenStream& stream_;
  std::int64_t batch_;
  std::int64_t context_;
  DataConfig data_;
  std::uint64_t seed_;
  std::int64_t training_size_ = 0;  // tokens; the validation part follows
  std::int64_t validation_size_ = 0;
  std::int64_t validation_batches_ = 0;
};

}  // namespace

std::unique_ptr<TokenSource> window_source(SharedStream stream, const RunConfig& config) {
  return std::make_unique<StreamSource>(std::move(stream), config);
}

}  // namespace precipice
