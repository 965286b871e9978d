// SPDX-License-Identifier: Apache-2.0
// An operation with a hand-written backward pass, as one node of autograd: what lies inside it runs without autograd's
// dispatch, on plain tensors. Fewer and larger nodes are what small models are short of.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace precipice {

using Tensors = std::vector<at::Tensor>;

// Whether an input's gradient is asked for, and memory of its sizes that it may be written to, to be returned then.
struct WantedGradient {
  bool needed = false;
  at::Tensor room = {};  // or undefined
};
using WantedGradients = std::vector<WantedGradient>;

class Operation {
 public:
  virtual ~Operation() = default;
  // Outputs; keeps what backward needs. Inputs may be undefined where the operation says so.
  virtual Tensors forward(const Tensors& inputs) = 0;
  // One gradient per output, undefined where none arrived, to one per input; those not wanted may be left undefined.
  // Called at most once for each forward unless the graph is kept.
  virtual Tensors backward(const Tensors& gradients, const WantedGradients& wanted) = 0;
};

// Runs the operation and, where gradients are recorded, enters it into autograd's graph. No output is an input, and the
// operation keeps no output: it would keep itself alive. (detach() of one will do for both.) Gradients of parameters go
// to the buffers of a GradientBuffers::Recording (gradient_buffers.h) where there is one.
Tensors run_operation(std::unique_ptr<Operation> operation, const Tensors& inputs);

}  // namespace precipice
