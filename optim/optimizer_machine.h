// SPDX-License-Identifier: Apache-2.0
// What a device does for an optimizer: memory for its state and the functions that walk over arrays in that memory. Their
// results lie there too, until the optimizer reads all of them at once. Parameters, gradients and state of one optimizer
// lie in one machine's memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "optim/multi_tensor/multi_tensor.h"
#include "optim/multi_tensor/update_gate.h"
#include "optim/rules/update_rule.h"
#include "optim/stored_format.h"
#include "precision/calls/factor.h"
#include "precision/rounding/random_bits.h"

namespace precipice {

struct OptimizerKind;

struct OptimizerMachine {
  // Memory for so many numbers, filled; freed by `release`.
  float* (*allocate)(std::int64_t size, float value);
  void (*release)(float* memory);
  // Of equal sizes, both in the machine's memory.
  void (*copy)(FloatSpan from, FloatSpan to);
  // As the functions of these names in multi_tensor.h, OptimizerKind::update and store.h; results in the machine's memory.
  void (*l2norm)(const TensorList& x, double* norm);
  void (*scale_l2norm)(const TensorList& x, const Factor& factor, double* norm);
  void (*distance)(const TensorList& a, const TensorList& b, double* norm);
  // A gate, in the machine's memory, decides beside `update`; on the CPU there is none.
  void (*update)(const OptimizerKind& kind, const OptimizerConfig& config, const UpdateArgs& update,
                 const TensorLists& lists, const UpdateGate* gate, UpdateNorms* norms);
  // To the host, which waits for what was called before.
  void (*read)(const double* from, std::int64_t count, double* to);
  void (*store)(FloatSpan values, const StoredFormat& format, FloatSpan scales, const RandomKey& key,
                const UpdateGate* gate);
  // Null on the CPU.
  void (*decide)(const UpdateDecision& decision, UpdateGate* gate);
  // What `update` with these numbers is made with, as bytes for UpdateArgs::there: kUpdateBytes, on the host. Null on the CPU.
  void (*write_update)(const OptimizerKind& kind, const OptimizerConfig& config, const UpdateArgs& update,
                       std::byte* bytes);
};

const OptimizerMachine& cpu_optimizer_machine();

// Numbers in a machine's memory, which outlives them.
class MachineArray {
 public:
  MachineArray() = default;
  MachineArray(const OptimizerMachine& machine, std::int64_t size, float value = 0.0f)
      : memory_(machine.allocate(size, value), machine.release), size_(size) {}
  FloatSpan span() { return {memory_.get(), size_}; }

 private:
  std::unique_ptr<float, void (*)(float*)> memory_{nullptr, nullptr};
  std::int64_t size_ = 0;
};

}  // namespace precipice
