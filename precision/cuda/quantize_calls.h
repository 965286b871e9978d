// SPDX-License-Identifier: Apache-2.0
// The functions of CudaQuantizeKernels on any machine that runs launches: the GPU (DeviceMachine, launch_cuda.cuh). A
// Machine(Launch) has
//   T* scratch<T>(count)              zeroed device memory, the machine's to release
//   T* upload(std::vector<T>)         the same with contents
//   std::vector<T> download(T*, n)    waits for the launches before it, as wait() does; both throw what went wrong there
//   launch(body), launch_blocks<Shared>(body)
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
  static const char* quantize(const QuantizeCallOf<Source>& call, Launch launch, EventCounts& counts) {
    return reason_of([&] {
      check_quantize_call(call);
      Machine machine(launch);
      auto* device_counts = machine.template scratch<LaunchCounts>(1);
      machine.template launch_blocks<LaunchCounts>(QuantizeLaunch<Source>{call, device_counts});
      const LaunchCounts found = machine.download(device_counts, 1)[0];
      counts = event_counts<Source>(found, call.size);
      const auto smallest = ~static_cast<std::uint32_t>(found.above_smallest);
      if (call.smallest_result != nullptr && smallest < *call.smallest_result) *call.smallest_result = smallest;
    });
  }

  static const char* amax(const float* in, std::int64_t size, Launch launch, float& result) {
    return reason_of([&] {
      Machine machine(launch);
      auto* device_counts = machine.template scratch<LaunchCounts>(1);
      machine.template launch_blocks<LaunchCounts>(AmaxLaunch{in, size, device_counts});
      result = amax_of<Binary32>(machine.download(device_counts, 1)[0].largest);
    });
  }

  static const char* encode(const float* in, std::uint32_t* out, std::int64_t size, const CodeConstants& codes,
                            Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      machine.launch(EncodeLaunch{in, out, size, codes});
      machine.wait();
    });
  }

  static constexpr CudaQuantizeKernels table() { return {quantize<Binary32>, quantize<Binary64>, amax, encode}; }
};

}  // namespace precipice
