// SPDX-License-Identifier: Apache-2.0
// The functions of CudaQuantizeKernels on any machine that runs launches: the GPU (DeviceMachine, launch_cuda.cuh), or
// the CPU walking through blocks and threads in tests. A Machine(Launch) has
//   T* scratch<T>(count)              zeroed device memory, the machine's to release
//   T* upload(std::vector<T>)         the same with contents
//   std::vector<T> download(T*, n)    waits for the launches before it, as wait() does
//   launch(body), launch_blocks<Shared>(body)
#pragma once

#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/quantize_launch.h"

namespace precipice {

template <class Machine>
struct QuantizeCalls {
  template <class Source>
  static const char* quantize(const QuantizeCallOf<Source>& call, Launch launch, EventCounts& counts) {
    return reason_of([&] {
      Machine machine(launch);
      auto* device_counts = machine.template scratch<LaunchCounts>(1);
      machine.template launch_blocks<LaunchCounts>(QuantizeLaunch<Source>{call, device_counts});
      counts = event_counts<Source>(machine.download(device_counts, 1)[0], call.size);
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
