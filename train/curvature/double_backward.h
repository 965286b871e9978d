// SPDX-License-Identifier: Apache-2.0
// Exact products with the curvature of a model's loss (mean cross-entropy, or of vectors mean squared error) in fp32, by differentiating its plain forward pass
// (train/model/plain_operations.h) twice; over all batches, one after the other, nothing kept between products.
//   Hessian:  H v = d/dw (dL/dw . v). Pearlmutter 1994.
//   GGN:      G v = J^T (diag p - p p^T) J v / N with logits z = z(w), J = dz/dw, p = softmax z, N tokens: what is left
//             of the Hessian when the curvature of z(w) is dropped; never negative. Schraudolph 2002. J v is the
//             derivative of J^T u by u. Of vectors (N, C) the matrix in the middle is 2 / (N C).
#pragma once

#include <memory>
#include <vector>

#include "metrics/curvature/flat_vectors.h"
#include "train/model/forward_pass.h"

namespace precipice {

enum class CurvatureMatrix : std::uint8_t { Hessian, Ggn };

struct LossGradient {
  double loss = 0;
  std::vector<float> gradient;  // flat: all parameters one after the other, in the model's order
};

// (diag p - p p^T) y per token, over N tokens. Both (N, V). Of vectors 2 y / (N C), both (N, C).
at::Tensor output_curvature(const at::Tensor& outputs, const at::Tensor& y, Task task = Task::Tokens);

// A model whose precision rounds nothing, at its present weights, and what its loss is over.
class PlainLoss {
 public:
  PlainLoss(std::shared_ptr<const Model> model, std::vector<BatchTensors> batches);

  std::int64_t size() const { return size_; }  // of flat vectors
  LossGradient gradient() const;
  // With the matrix at the model's weights. Each takes `v` and gives a vector of size().
  FlatVector hessian_product(std::span<const float> v) const;
  FlatVector ggn_product(std::span<const float> v) const;

 private:
  at::Tensor logits(const at::Tensor& inputs) const;
  std::vector<at::Tensor> views(std::span<const float> flat) const;
  void add_to(std::span<float> flat, const std::vector<at::Tensor>& tensors, double factor) const;

  std::shared_ptr<const Model> model_;
  std::vector<BatchTensors> batches_;
  std::vector<at::Tensor> leaves_;  // the model's parameters
  std::int64_t size_ = 0;
};

}  // namespace precipice
