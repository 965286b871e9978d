// SPDX-License-Identifier: Apache-2.0
#include "precision/operation.h"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <algorithm>

#include "precision/check.h"

namespace precipice {
namespace {

class OperationNode : public torch::autograd::Node {
 public:
  explicit OperationNode(std::unique_ptr<Operation> operation) : operation_(std::move(operation)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    PRECIPICE_CHECK(operation_, "a graph whose memory was released is walked again");
    std::vector<bool> needed(num_outputs());
    for (std::size_t i = 0; i < needed.size(); ++i) needed[i] = task_should_compute_output(i);
    // Nothing here is differentiated twice.
    const at::AutoGradMode no_gradients(false);
    const at::AutoDispatchBelowADInplaceOrView below;
    return operation_->backward(gradients, needed);
  }

  void release_variables() override { operation_.reset(); }
  std::string name() const override { return "Operation"; }

 private:
  std::unique_ptr<Operation> operation_;
};

}  // namespace

Tensors run_operation(std::unique_ptr<Operation> operation, const Tensors& inputs) {
  Tensors outputs;
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    outputs = operation->forward(inputs);
  }
  const bool recorded = at::GradMode::is_enabled() &&
                        std::any_of(inputs.begin(), inputs.end(),
                                    [](const at::Tensor& input) { return input.defined() && input.requires_grad(); });
  if (!recorded) return outputs;
  const std::shared_ptr<OperationNode> node(new OperationNode(std::move(operation)), torch::autograd::deleteNode);
  node->set_next_edges(torch::autograd::collect_next_edges(inputs));
  for (const at::Tensor& output : outputs) torch::autograd::set_history(output, node);
  return outputs;
}

}  // namespace precipice
