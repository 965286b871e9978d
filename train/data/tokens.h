// SPDX-License-Identifier: Apache-2.0
// Training data: a stream of token ids, split into a training and a validation part, and batches from them as a pure
// function of (data seed, step): no state to save, and a resumed run sees what it would have seen.
// A teacher's source has vectors instead of tokens (teacher_source.h).
// Sources: synthetic (synthetic_language.h), zipf (zipf_language.h), text (bytes, vocabulary 256), tokens (nanoGPT: raw uint16; llm.c: header
// with magic 20240520), batches (the file of `precipice batches`: exactly those batches in that order).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace precipice {

struct Batch {
  std::vector<std::int64_t> x{}, y{};      // (batch, context) row-major; y is x one token later
  std::vector<float> inputs{}, targets{};  // of source teacher, which has no tokens: (batch, width) row-major
};

class TokenSource {
 public:
  virtual ~TokenSource() = default;
  virtual Batch training_batch(std::int64_t step) const = 0;
  // Number of validation batches: train.eval_batches, or, of a stream, fewer where the validation part is short, but at least one.
  // 0 for source = batches, which has no validation part: the validation loss is then not measured (NaN).
  virtual std::int64_t validation_batches() const = 0;
  // Fixed batches, the same for every run of this data, whatever the seed; index in [0, validation_batches()).
  virtual Batch validation_batch(std::int64_t index) const = 0;
  std::int64_t vocabulary() const { return vocabulary_; }
  // Entropy rate of the source in nats per token: no model can have a lower expected loss. NaN where unknown, and where
  // there are no tokens.
  double entropy_floor() const { return entropy_floor_; }
  // Of the frequencies of its tokens, in nats (train/data/unigram_entropy.h); counted anew at each call. NaN: no tokens.
  virtual double unigram_entropy() const = 0;
  // Identity of the data itself, whatever its path: sha256 of the file, of the synthetic tokens as a raw uint16 file, or
  // of the teacher's noise and weights.
  const std::string& sha256() const { return sha256_; }

 protected:
  std::int64_t vocabulary_ = 0;
  double entropy_floor_ = 0;
  std::string sha256_;
};

}  // namespace precipice
