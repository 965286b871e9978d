// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer_machine.h"

#include <algorithm>
#include <cstddef>

#include "optim/optimizer_kinds.h"
#include "optim/store.h"
#include "precision/base/check.h"

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

void l2norm_on_cpu(const TensorList& x, double* norm) {
  *norm = multi_tensor_l2norm(x);
}

void scale_l2norm_on_cpu(const TensorList& x, const Factor& factor, double* norm) {
  *norm = multi_tensor_scale_l2norm(x, factor.value());
}

void distance_on_cpu(const TensorList& a, const TensorList& b, double* norm) {
  *norm = multi_tensor_distance(a, b);
}

void update_on_cpu(const OptimizerKind& kind, const OptimizerConfig& config, const UpdateArgs& update,
                   const TensorLists& lists, const UpdateGate* gate, UpdateNorms* norms) {
  PRECIPICE_CHECK(gate == nullptr, "the CPU decides at once");
  *norms = kind.update(config, update, lists);
}

void read_on_cpu(const double* from, std::int64_t count, double* to) {
  std::copy_n(from, count, to);
}

void store_on_cpu(FloatSpan values, const StoredFormat& format, FloatSpan scales, const RandomKey& key,
                  const UpdateGate* gate) {
  PRECIPICE_CHECK(gate == nullptr, "the CPU decides at once");
  store(values, format, scales, key);
}

}  // namespace

const OptimizerMachine& cpu_optimizer_machine() {
  static constexpr OptimizerMachine kCpu{.allocate = allocate_on_cpu,
                                         .release = release_on_cpu,
                                         .copy = copy_on_cpu,
                                         .l2norm = l2norm_on_cpu,
                                         .scale_l2norm = scale_l2norm_on_cpu,
                                         .distance = distance_on_cpu,
                                         .update = update_on_cpu,
                                         .read = read_on_cpu,
                                         .store = store_on_cpu,
                                         .decide = nullptr,
                                         .write_update = nullptr};
  return kCpu;
}

}  // namespace precipice
