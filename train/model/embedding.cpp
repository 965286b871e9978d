// SPDX-License-Identifier: Apache-2.0
#include "train/model/embedding.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "precision/autograd/operation.h"
#include "precision/base/check.h"
#include "precision/quantize/column_sums.h"
#include "precision/quantize/device.h"

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
    const Machine& machine = machine_of(weight);
    machine.gather_rows(rows(), weight.const_data_ptr<float>(), x.mutable_data_ptr<float>(), machine.current_stream());
    if (has_positions) x.add_(inputs[1].narrow(0, 0, tokens_.size(1)));
    return {rounded(x, residual_)};
  }

  // Rows that several tokens share are summed in the tokens' order.
  Tensors backward(const Tensors& gradients, const WantedGradients& wanted) override {
    const at::Tensor dx = rounded(gradients[0].contiguous(), residual_);
    at::Tensor dweight = at::zeros({vocabulary_, width_}, dx.options());
    const Machine& machine = machine_of(dx);
    machine.add_rows(rows(), dx.const_data_ptr<float>(), dweight.mutable_data_ptr<float>(), machine.current_stream());
    if (wanted.size() == 1) return {dweight};
    at::Tensor dpositions = at::zeros({context_, width_}, dx.options());
    dpositions.narrow(0, 0, tokens_.size(1)).copy_(column_sums(dx));
    return {dweight, dpositions};
  }

 private:
  TableRows rows() const { return {tokens_.const_data_ptr<std::int64_t>(), tokens_.numel(), vocabulary_, width_}; }

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
