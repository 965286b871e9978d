// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer_machine.h"

#include <algorithm>
#include <cstddef>

#include "optim/optimizer_kinds.h"
#include "optim/store.h"

namespace precipice {
namespace {

float* allocate_on_cpu(std::int64_t size, float value) {
  const auto count = static_cast<std::size_t>(size);
  float* const memory = new float[count];
  std::fill_n(memory, count, value);
  return memory;
}

void release_on_cpu(float* memory) {
  delete[] memory;
}

void copy_on_cpu(FloatSpan from, FloatSpan to) {
  std::copy_n(from.data, from.size, to.data);
}

UpdateNorms update_on_cpu(const OptimizerKind& kind, const OptimizerConfig& config, const UpdateArgs& update,
                          const TensorLists& lists) {
  return kind.update(config, update, lists);
}

}  // namespace

const OptimizerMachine& cpu_optimizer_machine() {
  static constexpr OptimizerMachine kCpu{.allocate = allocate_on_cpu,
                                         .release = release_on_cpu,
                                         .copy = copy_on_cpu,
                                         .l2norm = multi_tensor_l2norm,
                                         .scale_l2norm = multi_tensor_scale_l2norm,
                                         .distance = multi_tensor_distance,
                                         .update = update_on_cpu,
                                         .store = store};
  return kCpu;
}

}  // namespace precipice
