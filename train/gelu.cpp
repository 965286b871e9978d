// SPDX-License-Identifier: Apache-2.0
#include "train/gelu.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>

#include "precision/operation.h"

namespace precipice {
namespace {

class GeluOperation : public Operation {
 public:
  explicit GeluOperation(const MatrixQuantizer& vector) : vector_(vector) {}
  Tensors forward(const Tensors& inputs) override {
    x_ = inputs[0];
    return {rounded(at::gelu(x_), vector_)};
  }
  Tensors backward(const Tensors& gradients, const std::vector<bool>&) override {
    return {rounded(at::gelu_backward(rounded(gradients[0], vector_), x_), vector_)};
  }

 private:
  MatrixQuantizer vector_;
  at::Tensor x_;
};

}  // namespace

at::Tensor gelu(const at::Tensor& x, const MatrixQuantizer& vector) {
  return run_operation(std::make_unique<GeluOperation>(vector), {x})[0];
}

}  // namespace precipice
