// SPDX-License-Identifier: Apache-2.0
#include "train/data/teacher_source.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>

#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "metrics/curvature/flat_vectors.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
namespace {

// Operands of kTeacherStream and of kSampleStream.
constexpr std::uint64_t kWeights = 0, kValidationInputs = 1;
constexpr std::uint64_t kInputs = 0, kNoise = 1;

at::Tensor as_matrix(std::vector<float>& values, std::int64_t rows, std::int64_t columns) {
  return at::from_blob(values.data(), {rows, columns}, at::TensorOptions(at::kFloat));
}

class TeacherSource final : public TokenSource {
 public:
  explicit TeacherSource(const RunConfig& config)
      : data_(config.data),
        batch_(config.train.batch),
        validation_batches_(config.train.eval_batches),
        width_(config.model.width),
        hidden_(config.data.teacher_hidden.value()) {
    vocabulary_ = config.data.vocabulary;  // that the model does not ask for
    entropy_floor_ = kNaN;
    std::string bytes = join_parts("noise ", data_.teacher_noise, '\n');
    for (std::int64_t layer = 0; layer < data_.teacher_layers.value(); ++layer) {
      add_weight(hidden_, width_, std::sqrt(2.0 / static_cast<double>(width_)), bytes);
      add_weight(width_, hidden_, std::sqrt(1.0 / static_cast<double>(hidden_)), bytes);
    }
    sha256_ = sha256_hex(bytes);
  }

  Batch training_batch(std::int64_t step) const override {
    PRECIPICE_CHECK(step >= 0, "step ", step);
    const auto seed = static_cast<std::uint64_t>(data_.seed.value());
    const auto place = static_cast<std::uint32_t>(data_.batch_at(step));
    Batch batch = answered(random_normal(batch_ * width_, random_key(kSampleStream, seed, place, 0, kInputs)));
    if (data_.teacher_noise > 0)
      add_scaled(batch.targets, data_.teacher_noise,
                 random_normal(batch_ * width_, random_key(kSampleStream, seed, place, 0, kNoise)));
    return batch;
  }

  std::int64_t validation_batches() const override { return validation_batches_; }
  Batch validation_batch(std::int64_t index) const override {
    PRECIPICE_CHECK(index >= 0 && index < validation_batches_, "validation batch ", index);
    return answered(random_normal(batch_ * width_, key_of(kValidationInputs, index)));
  }
  double unigram_entropy() const override { return kNaN; }  // there are no tokens

 private:
  RandomKey key_of(std::uint64_t operand, std::int64_t number) const {
    return random_key(kTeacherStream, static_cast<std::uint64_t>(data_.language_seed),
                      static_cast<std::uint32_t>(number), 0, operand);
  }

  void add_weight(std::int64_t out, std::int64_t in, double deviation, std::string& bytes) {
    std::vector<float> weight = random_normal(out * in, key_of(kWeights, static_cast<std::int64_t>(weights_.size())));
    for (float& w : weight) w = static_cast<float>(deviation * w);
    bytes.append(reinterpret_cast<const char*>(weight.data()), weight.size() * sizeof(float));
    weights_.push_back(std::move(weight));
  }

  // `inputs` with the teacher's answers.
  Batch answered(std::vector<float> inputs) const {
    const at::NoGradGuard no_gradients;
    Batch batch;
    batch.inputs = std::move(inputs);
    at::Tensor h = as_matrix(batch.inputs, batch_, width_);
    for (std::size_t i = 0; i < weights_.size(); i += 2) {
      const at::Tensor up = as_matrix(weights_[i], hidden_, width_), down = as_matrix(weights_[i + 1], width_, hidden_);
      h = at::linear(at::gelu(at::linear(h, up)), down);
    }
    const at::Tensor answers = h.contiguous();
    const float* const values = answers.const_data_ptr<float>();
    batch.targets.assign(values, values + answers.numel());
    return batch;
  }

  DataConfig data_;
  std::int64_t batch_, validation_batches_, width_, hidden_;
  mutable std::vector<std::vector<float>> weights_;  // two a block; a tensor looks into them, which takes no const
};

}  // namespace

std::unique_ptr<TokenSource> open_teacher(const RunConfig& config) {
  return std::make_unique<TeacherSource>(config);
}

double teacher_bytes(const RunConfig& config) {
  if (config.data.source != DataSource::Teacher) return 0;
  return 2.0 * sizeof(float) * static_cast<double>(config.data.teacher_layers.value()) *
         static_cast<double>(config.model.width) * static_cast<double>(config.data.teacher_hidden.value());
}

}  // namespace precipice
