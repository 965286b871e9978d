// SPDX-License-Identifier: Apache-2.0
// What goes up to a device for a training step, in one copy to the same memory at every step: the batch, and the numbers that
// the host knows before the step (StepNumbers), which kernels read there.
#pragma once

#include "optim/step_numbers.h"
#include "train/model/forward_pass.h"

namespace precipice {

class StepInput {
 public:
  // Batches of one shape. Waits.
  void upload(const Batch& batch, const ModelConfig& config, const Model& model, const StepNumbers& numbers);

  // On the device, from the first upload on, at addresses that stay.
  const BatchTensors& batch() const { return batch_; }
  const StepNumbers* numbers() const;
  at::Tensor loss_scale() const;  // (), fp32

 private:
  void make_room(const BatchTensors& batch, at::Device device);

  at::Tensor there_, here_;  // bytes: StepNumbers, inputs, targets
  BatchTensors batch_;       // parts of there_
};

}  // namespace precipice
