// SPDX-License-Identifier: Apache-2.0
// The functions of CudaMultiTensorKernels on any Machine (precision/cuda/quantize_calls.h says what that is).
#pragma once

#include "optim/multi_tensor/cuda_kernels.h"
#include "optim/multi_tensor/kahan_element.h"
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
  static const char* l2norm(const CudaMultiTensorCall& call, double& norm) { return norm_of(call, NormBody{}, norm); }
  static const char* scale_l2norm(const CudaMultiTensorCall& call, float factor, double& norm) {
    return norm_of(call, ScaleBody{factor}, norm);
  }
  static const char* distance(const CudaMultiTensorCall& call, double& norm) {
    return norm_of(call, DistanceBody{}, norm);
  }
  static const char* update(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms& norms) {
    return update_as<UpdateBody>(call, rule, body, norms);
  }
  static const char* update_kahan(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms& norms) {
    return update_as<KahanElement>(call, rule, body, norms);
  }

  static constexpr CudaMultiTensorKernels table() { return {l2norm, scale_l2norm, distance, update, update_kahan}; }

 private:
  template <class Body>
  static UpdateNorms run(const CudaMultiTensorCall& call, const Body& body) {
    Machine machine(call.launch);
    LaunchRunner<Machine> runner{machine};
    return sum_over_chunks(runner, lists_of(call.table), body);
  }

  template <class Body>
  static const char* norm_of(const CudaMultiTensorCall& call, const Body& body, double& norm) {
    return reason_of([&] { norm = std::sqrt(run(call, body).update); });
  }

  template <template <class Rule> class Body>
  static const char* update_as(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms& norms) {
    return reason_of(
        [&] { PRECIPICE_CHECK(update_by<Body>(OptimizerRules{}, call, rule, body, norms), "no rule ", rule); });
  }

  // Whether there is a rule of that number.
  template <template <class Rule> class Body, class... Rules>
  static bool update_by(RuleList<Rules...>, const CudaMultiTensorCall& call, int rule, const void* body,
                        UpdateNorms& norms) {
    int number = 0;
    const auto try_rule = [&]<class Rule>(const Body<Rule>* of_rule) {
      if (number++ != rule) return false;
      norms = run(call, *of_rule);
      return true;
    };
    return (try_rule(static_cast<const Body<Rules>*>(body)) || ...);
  }
};

}  // namespace precipice
