// SPDX-License-Identifier: Apache-2.0
// The functions of CudaMultiTensorKernels on any Machine (precision/cuda/quantize_calls.h says what that is).
#pragma once

#include "optim/multi_tensor/cuda_kernels.h"
#include "optim/multi_tensor/kahan_element.h"
#include "optim/multi_tensor/multi_tensor_launch.h"
#include "optim/multi_tensor/store_launch.h"

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
  static const char* l2norm(const CudaMultiTensorCall& call, double* norm) {
    return run(call, NormBody{}, norm, nullptr);
  }
  static const char* scale_l2norm(const CudaMultiTensorCall& call, float factor, double* norm) {
    return run(call, ScaleBody{factor}, norm, nullptr);
  }
  static const char* distance(const CudaMultiTensorCall& call, double* norm) {
    return run(call, DistanceBody{}, norm, nullptr);
  }
  static const char* update(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms* norms) {
    return update_as<UpdateBody>(call, rule, body, norms);
  }
  static const char* update_kahan(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms* norms) {
    return update_as<KahanElement>(call, rule, body, norms);
  }

  static const char* decide(const UpdateDecision& decision, UpdateGate* gate, Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      machine.launch(DecideLaunch{decision, gate});
    });
  }

  static const char* fill(FloatSpan values, float value, Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      machine.launch(FillLaunch{values, value});
    });
  }

  static const char* store(const CudaStoreCall& given, Launch launch) {
    return reason_of([&] {
      CudaStoreCall call = given;
      call.round.in = call.round.out = call.values.data;
      call.round.size = call.values.size;
      if (call.values.size == 0) return;
      Machine machine(launch);
      float* amax = nullptr;
      if (call.scaled && call.scales.size == 1) {
        amax = machine.template unwritten<float>(1);
        machine.template launch_blocks<LaunchCounts>(
            AmaxLaunch{call.values.data, call.values.size, machine.template sums<LaunchCounts>(), amax});
      }
      if (call.scaled) machine.launch(StoredScalesLaunch{call, amax});
      machine.launch(StoredNumbersLaunch{call});
    });
  }

  static constexpr CudaMultiTensorKernels table() {
    return {l2norm, scale_l2norm, distance, update, update_kahan, fill, store, decide};
  }

 private:
  template <class Body>
  static const char* run(const CudaMultiTensorCall& call, const Body& body, double* norm, UpdateNorms* norms) {
    return reason_of([&] {
      Machine machine(call.launch);
      launch_over_chunks(machine, lists_of(call.table),
                         GivenBody<Body>{body, static_cast<const Body*>(call.body_at), call.gate},
                         {nullptr, 0, norm, norms});
    });
  }

  template <template <class Rule> class Body>
  static const char* update_as(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms* norms) {
    const char* reason = nullptr;
    const char* const unknown = reason_of(
        [&] { PRECIPICE_CHECK(update_by<Body>(OptimizerRules{}, call, rule, body, norms, reason), "no rule ", rule); });
    return unknown != nullptr ? unknown : reason;
  }

  // Whether there is a rule of that number.
  template <template <class Rule> class Body, class... Rules>
  static bool update_by(RuleList<Rules...>, const CudaMultiTensorCall& call, int rule, const void* body,
                        UpdateNorms* norms, const char*& reason) {
    int number = 0;
    const auto try_rule = [&]<class Rule>(const Body<Rule>* of_rule) {
      if (number++ != rule) return false;
      reason = run(call, *of_rule, nullptr, norms);
      return true;
    };
    return (try_rule(static_cast<const Body<Rules>*>(body)) || ...);
  }
};

}  // namespace precipice
