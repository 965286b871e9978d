// SPDX-License-Identifier: Apache-2.0
// The functions of CudaRowKernels on any Machine (quantize_calls.h says what that is).
#pragma once

#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/row_launch.h"

namespace precipice {

template <class Machine>
struct RowCalls {
  static const char* norm_forward(const NormForward& call, std::int64_t rows, Launch launch) {
    return run(launch, [&](Machine& machine) { machine.launch_seen_rows(NormForwardLaunch{call, rows}, call.amax); });
  }
  static const char* norm_backward(const NormBackward& call, std::int64_t rows, std::int64_t rows_per_chunk,
                                   Launch launch) {
    return run(launch, [&](Machine& machine) {
      machine.launch_seen_rows(NormBackwardLaunch{call, rows}, call.amax);
      machine.launch(NormParametersLaunch{call, rows, rows_per_chunk});
    });
  }
  static const char* causal_softmax(float* scores, std::int64_t length, float scale, std::int64_t rows, Launch launch) {
    return run(launch, [&](Machine& machine) {
      machine.launch_rows(CausalSoftmaxLaunch{scores, length, rows, scale});
    });
  }
  static const char* causal_softmax_backward(const float* p, float* dp, const float* deltas, std::int64_t length,
                                             float scale, std::int64_t rows, Launch launch) {
    return run(launch, [&](Machine& machine) {
      machine.launch_rows(CausalSoftmaxBackwardLaunch{p, dp, deltas, length, rows, scale});
    });
  }
  static const char* gelu(const float* x, std::int64_t size, float* y, float* amax, Launch launch) {
    return run(launch, [&](Machine& machine) { machine.launch_seen(GeluLaunch{x, size, y}, amax); });
  }
  static const char* gelu_gradient(const float* x, const float* dy, std::int64_t size, float* dx, float* amax,
                                   Launch launch) {
    return run(launch, [&](Machine& machine) { machine.launch_seen(GeluGradientLaunch{x, dy, size, dx}, amax); });
  }

  static constexpr CudaRowKernels table() {
    return {norm_forward, norm_backward, causal_softmax, causal_softmax_backward, gelu, gelu_gradient};
  }

 private:
  template <class Work>
  static const char* run(Launch launch, const Work& work) {
    return reason_of([&] {
      Machine machine(launch);
      work(machine);
    });
  }
};

}  // namespace precipice
