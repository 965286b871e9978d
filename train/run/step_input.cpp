// SPDX-License-Identifier: Apache-2.0
#include "train/run/step_input.h"

#include <ATen/ops/empty.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "precision/base/check.h"
#include "train/run/device_array.h"

namespace precipice {
namespace {

// Of a tensor's type and sizes, in the bytes of another.
at::Tensor part_of(const at::Tensor& bytes, std::int64_t begin, const at::Tensor& like) {
  return at::for_blob(static_cast<std::byte*>(bytes.mutable_data_ptr()) + begin, like.sizes())
      .deleter([bytes](void*) {})
      .options(like.options().device(bytes.device()))
      .target_device(bytes.device())
      .make_tensor();
}

constexpr std::int64_t kBytesOfNumbers = sizeof(StepNumbers);
static_assert(kBytesOfNumbers % 16 == 0);

}  // namespace

const StepNumbers* StepInput::numbers() const {
  return static_cast<const StepNumbers*>(there_.const_data_ptr());
}

at::Tensor StepInput::loss_scale() const {
  return array_of(&numbers()->loss_scale, {}, there_.device(), there_);
}

void StepInput::make_room(const BatchTensors& batch, at::Device device) {
  const auto inputs = static_cast<std::int64_t>(batch.inputs.nbytes());
  const std::int64_t bytes = kBytesOfNumbers + inputs + static_cast<std::int64_t>(batch.targets.nbytes());
  here_ = at::empty({bytes}, at::TensorOptions(at::kByte));
  there_ = at::empty({bytes}, at::TensorOptions(at::kByte).device(device));
  batch_ = {part_of(there_, kBytesOfNumbers, batch.inputs), part_of(there_, kBytesOfNumbers + inputs, batch.targets)};
}

void StepInput::upload(const Batch& batch, const ModelConfig& config, const Model& model, const StepNumbers& numbers) {
  check_batch(batch, model);
  const BatchTensors own = batch_tensors(batch, config);
  if (!there_.defined()) make_room(own, model.device());
  PRECIPICE_CHECK(own.inputs.sizes() == batch_.inputs.sizes() && own.targets.sizes() == batch_.targets.sizes(),
                  "a batch of another shape, ", own.inputs.sizes());
  auto* to = static_cast<std::byte*>(here_.mutable_data_ptr());
  std::memcpy(to, static_cast<const void*>(&numbers), sizeof(numbers));
  to += kBytesOfNumbers;
  for (const at::Tensor* part : {&own.inputs, &own.targets}) {
    std::memcpy(to, part->const_data_ptr(), part->nbytes());
    to += part->nbytes();
  }
  there_.copy_(here_);
}

}  // namespace precipice
