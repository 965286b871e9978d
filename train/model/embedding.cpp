// SPDX-License-Identifier: Apache-2.0
#include "train/model/embedding.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cstring>

#include "precision/autograd/operation.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

class EmbeddingOperation : public Operation {
 public:
  EmbeddingOperation(const at::Tensor& tokens, const ElementQuantizer& residual)
      : tokens_(tokens.contiguous()), residual_(residual) {}

  Tensors forward(const Tensors& inputs) override {
    const at::Tensor& weight = inputs[0];
    const bool has_positions = inputs.size() > 1;
    vocabulary_ = weight.size(0), width_ = weight.size(1);
    context_ = has_positions ? inputs[1].size(0) : 0;
    at::Tensor x = at::empty({tokens_.size(0), tokens_.size(1), width_}, weight.options());
    const std::int64_t* ids = tokens_.const_data_ptr<std::int64_t>();
    const float* rows = weight.const_data_ptr<float>();
    float* out = x.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < tokens_.numel(); ++i) {
      PRECIPICE_CHECK(ids[i] >= 0 && ids[i] < vocabulary_, "token ", ids[i], " of ", vocabulary_);
      const float* row = rows + ids[i] * width_;
      std::memcpy(out + i * width_, row, static_cast<std::size_t>(width_) * sizeof(float));
    }
    if (has_positions) x.add_(inputs[1].narrow(0, 0, tokens_.size(1)));
    return {rounded(x, residual_)};
  }

  // Rows that several tokens share are summed in the tokens' order.
  Tensors backward(const Tensors& gradients, const WantedGradients& wanted) override {
    const at::Tensor dx = rounded(gradients[0].contiguous(), residual_);
    at::Tensor dweight = at::zeros({vocabulary_, width_}, dx.options());
    const std::int64_t* ids = tokens_.const_data_ptr<std::int64_t>();
    const float* from = dx.const_data_ptr<float>();
    float* to = dweight.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < tokens_.numel(); ++i)
      for (std::int64_t c = 0; c < width_; ++c) to[ids[i] * width_ + c] += from[i * width_ + c];
    if (wanted.size() == 1) return {dweight};
    at::Tensor dpositions = at::zeros({context_, width_}, dx.options());
    dpositions.narrow(0, 0, tokens_.size(1)).copy_(dx.sum(0));
    return {dweight, dpositions};
  }

 private:
  at::Tensor tokens_;
  ElementQuantizer residual_;
  std::int64_t vocabulary_ = 0, width_ = 0, context_ = 0;
};

}  // namespace

at::Tensor embed(const at::Tensor& tokens, const at::Tensor& weight, const at::Tensor& positions,
                 const ElementQuantizer& residual) {
  PRECIPICE_CHECK(!positions.defined() || tokens.size(1) <= positions.size(0), tokens.size(1), " tokens exceed ",
                  positions.size(0), " positions");
  Tensors inputs{weight};
  if (positions.defined()) inputs.push_back(positions);
  return run_operation(std::make_unique<EmbeddingOperation>(tokens, residual), inputs)[0];
}

}  // namespace precipice
