// SPDX-License-Identifier: Apache-2.0
// The functions of CudaMultiTensorKernels on any Machine (precision/cuda/quantize_calls.h says what that is).
#pragma once

#include <algorithm>
#include <vector>

#include "optim/multi_tensor/cuda_kernels.h"
#include "optim/multi_tensor/multi_tensor_launch.h"

namespace precipice {

inline TensorLists lists_of(const SpanTable& table) {
  TensorLists lists;
  for (std::int64_t d = 0; d < table.lists; ++d) {
    const FloatSpan* first = table.spans + d * table.tensors;
    lists.emplace_back(first, first + table.tensors);
  }
  return lists;
}

template <class Machine>
struct MultiTensorCalls {
  using Ops = MultiTensorOps<LaunchRunner<Machine>>;

  static const char* scale(const CudaMultiTensorCall& call, float factor) {
    return run(call, [&](Ops& ops, const TensorLists& lists) { ops.scale(lists, factor); });
  }

  static const char* axpby(const CudaMultiTensorCall& call, float a, float b, AxpbyCheck check) {
    return run(call, [&](Ops& ops, const TensorLists& lists) { ops.axpby(lists, a, b, check); });
  }

  static const char* l2norm(const CudaMultiTensorCall& call, double& norm, double* per_tensor) {
    return run(call, [&](Ops& ops, const TensorLists& lists) {
      std::vector<double> norms;
      norm = ops.l2norm(lists, per_tensor != nullptr ? &norms : nullptr);
      if (per_tensor != nullptr) std::copy(norms.begin(), norms.end(), per_tensor);
    });
  }

  static const char* unscale_l2norm(const CudaMultiTensorCall& call, float factor, double& norm) {
    return run(call, [&](Ops& ops, const TensorLists& lists) { norm = ops.unscale_l2norm(lists, factor); });
  }

  static const char* adam(const CudaMultiTensorCall& call, const AdamArgs& args, UpdateNorms& norms) {
    return run(call, [&](Ops& ops, const TensorLists& lists) { norms = ops.adam(lists, args); });
  }

  static const char* sgd(const CudaMultiTensorCall& call, const SgdArgs& args, UpdateNorms& norms) {
    return run(call, [&](Ops& ops, const TensorLists& lists) { norms = ops.sgd(lists, args); });
  }

  static constexpr CudaMultiTensorKernels table() { return {scale, axpby, l2norm, unscale_l2norm, adam, sgd}; }

 private:
  template <class Work>
  static const char* run(const CudaMultiTensorCall& call, Work work) {
    return reason_of([&] {
      Machine machine(call.launch);
      Ops ops{{machine}, call.chunk, call.noop};
      work(ops, lists_of(call.table));
      machine.wait();
    });
  }
};

}  // namespace precipice
