// SPDX-License-Identifier: Apache-2.0
#include "precision/autograd/operation.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "precision/autograd/gradient_buffers.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

class OperationNode : public torch::autograd::Node {
 public:
  OperationNode(std::unique_ptr<Operation> operation, GradientBuffers* buffers)
      : operation_(std::move(operation)), buffers_(buffers) {}

  // Edges to the inputs, but for parameters whose gradients are kept elsewhere.
  void connect(const Tensors& inputs) {
    targets_.resize(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (buffers_ != nullptr && inputs[i].defined()) targets_[i] = buffers_->index_of(inputs[i]);
      add_next_edge(inputs[i].defined() && !targets_[i] ? torch::autograd::impl::gradient_edge(inputs[i])
                                                        : torch::autograd::Edge());
    }
  }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    PRECIPICE_CHECK(operation_, "a graph whose memory was released is walked again");
    WantedGradients wanted(num_outputs());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      wanted[i].needed = targets_[i].has_value() || task_should_compute_output(i);
      if (targets_[i]) wanted[i].room = buffers_->room_for(*targets_[i]);
    }
    // Nothing here is differentiated twice.
    const at::AutoGradMode no_gradients(false);
    const at::AutoDispatchBelowADInplaceOrView below;
    Tensors results = operation_->backward(gradients, wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (targets_[i] && results[i].defined()) buffers_->take(*targets_[i], std::exchange(results[i], {}));
    return results;
  }

  void release_variables() override { operation_.reset(); }
  std::string name() const override { return "Operation"; }

 private:
  std::unique_ptr<Operation> operation_;
  GradientBuffers* buffers_;                         // or null
  std::vector<std::optional<std::size_t>> targets_;  // by input: its place among the buffers
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
  const std::shared_ptr<OperationNode> node(new OperationNode(std::move(operation), GradientBuffers::recording()),
                                            torch::autograd::deleteNode);
  node->connect(inputs);
  for (const at::Tensor& output : outputs) torch::autograd::set_history(output, node);
  return outputs;
}

}  // namespace precipice
