// SPDX-License-Identifier: Apache-2.0
// The functions of CudaQuantizeKernels on any machine that queues launches: the GPU (DeviceMachine, launch_cuda.cuh). A
// Machine(Launch) has
//   T* unwritten<T>(count)            device memory, the machine's to release
//   LaunchSums<T>* sums<T>()          for one launch_blocks<T> after the other
//   launch(body), launch_blocks<Shared>(body), launch_rows(body)
//   T download(T*)                    waits for the launches before it, and throws what went wrong there
#pragma once

#include <cstdint>

#include "precision/base/check.h"
#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/quantize_launch.h"

namespace precipice {

// A call that a kernel would understand otherwise than the CPU's loops do.
template <class Source>
void check_quantize_call(const QuantizeCallOf<Source>& call) {
  constexpr bool kWide = Source::kMantissa != Binary32::kMantissa;
  PRECIPICE_CHECK(call.size >= 0, "size ", call.size);
  PRECIPICE_CHECK(!kWide || (call.multipliers == nullptr && !call.through_bf16),
                  "binary64 inputs have no multipliers and do not go through bf16");
  PRECIPICE_CHECK(call.multipliers != nullptr || (!call.divide && call.block_shift == 0), "no multipliers");
  PRECIPICE_CHECK(call.multipliers == nullptr || call.scale == 1.0f, "multipliers beside a scale of ", call.scale);
  PRECIPICE_CHECK(call.block_shift == 0 || (call.block_shift >= kMinBlockShift && call.block_shift <= kMaxBlockShift),
                  "block_shift ", call.block_shift);
}

template <class Machine>
struct QuantizeCalls {
  template <class Source>
  static const char* quantize(const QuantizeCallOf<Source>& call, const FoundNumbers& found, Launch launch) {
    return reason_of([&] {
      check_quantize_call(call);
      Machine machine(launch);
      with_kernel_of(call, [&]<KernelRounding K>() {
        machine.template launch_blocks<LaunchCounts>(
            QuantizeLaunch<K, Source>{call, machine.template sums<LaunchCounts>(), found});
      });
    });
  }

  static const char* round(const QuantizeCall& given, const NumberRows& rows, Launch launch) {
    return reason_of([&] {
      PRECIPICE_CHECK(rows.rows >= 0 && rows.cols >= 0 && rows.stride >= rows.cols, rows.rows, " x ", rows.cols);
      PRECIPICE_CHECK(rows.rows <= 1 || rows.stride == rows.cols || !is_stochastic(given.rounding),
                      "random words are numbered without gaps");
      QuantizeCall call = given;
      call.in = call.out = rows.data;
      call.size = rows.rows * rows.cols;
      check_quantize_call(call);
      Machine machine(launch);
      with_kernel_of(call, [&]<KernelRounding K>() { machine.launch(RoundRowsLaunch<K>{call, rows}); });
    });
  }

  static const char* encode(const float* in, std::uint32_t* out, std::int64_t size, const CodeConstants& codes,
                            Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      machine.launch(EncodeLaunch{in, out, size, codes});
    });
  }

  static const char* amax(const float* in, std::int64_t size, Launch launch, float& result) {
    return reason_of([&] {
      Machine machine(launch);
      auto* there = machine.template unwritten<float>(1);
      machine.template launch_blocks<LaunchCounts>(AmaxLaunch{in, size, machine.template sums<LaunchCounts>(), there});
      result = machine.download(there);
    });
  }

  static constexpr CudaQuantizeKernels table() { return {quantize<Binary32>, quantize<Binary64>, round, encode, amax}; }
};

}  // namespace precipice
