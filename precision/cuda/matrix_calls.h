// SPDX-License-Identifier: Apache-2.0
// The functions of CudaMatrixKernels on any Machine (quantize_calls.h says what that is).
#pragma once

#include <cstdint>
#include <vector>

#include "precision/base/check.h"
#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/emulated_launch.h"
#include "precision/cuda/matrix_launch.h"
#include "precision/cuda/scale_launch.h"

namespace precipice {

template <class Machine>
struct MatrixCalls {
  static const char* quantize(const MatrixCall& call, const MatrixArrays& arrays, const float* amax, Launch launch,
                              EventCounts& counts) {
    return reason_of([&] {
      const MatrixShape& shape = call.shape;
      PRECIPICE_CHECK(shape.rows > 0 && shape.cols > 0 && shape.row_stride >= shape.cols, shape.rows, " x ",
                      shape.cols);
      PRECIPICE_CHECK(!call.rotates || (arrays.values != nullptr && shape.row_stride == shape.cols),
                      "a rotated matrix is there in fp32, without gaps");
      PRECIPICE_CHECK(call.elements.multipliers == nullptr && call.elements.scale == 1.0f, "scales of its own");
      Machine machine(launch);
      const float* in = arrays.in;
      if (call.rotates) {
        machine.launch(RotateMatrixLaunch{call, in, arrays.values});
        in = arrays.values;
      }
      const LaunchCounts* all = amax_of_all(machine, call, in, amax);
      auto* outers = machine.template scratch<OuterScale>(outers_of(call));
      machine.launch(OuterScalesLaunch{call, in, all, outers});
      float* const multipliers = arrays.multipliers != nullptr
                                     ? arrays.multipliers
                                     : machine.template scratch<float>(call.grid.grid_rows * call.grid.grid_cols);
      machine.launch(BlockScalesLaunch{call, in, all, outers, arrays.scales, multipliers});
      auto* device_counts = machine.template scratch<LaunchCounts>(1);
      MatrixElementsLaunch elements{call, multipliers, device_counts};
      elements.call.elements.in = in;
      elements.call.elements.out = arrays.values;
      elements.call.elements.packed = arrays.packed;
      machine.template launch_blocks<LaunchCounts>(elements);
      const LaunchCounts found = machine.download(device_counts, 1)[0];
      counts = event_counts<Binary32>(found, call.elements.size);
      const auto smallest = ~static_cast<std::uint32_t>(found.above_smallest);
      std::uint32_t* const lowered = call.elements.smallest_result;
      if (lowered != nullptr && smallest < *lowered) *lowered = smallest;
    });
  }

  static const char* scale_sums(const ScaledSumsOnDevice& call, Launch launch) {
    return run(launch, ScaleSumsLaunch{call});
  }

  static const char* scale_numbers(const ScaledNumbersOnDevice& call, Launch launch, bool& inexact) {
    return reason_of([&] {
      Machine machine(launch);
      auto* found = machine.template scratch<std::int64_t>(1);
      machine.launch(ScaleNumbersLaunch{call, found});
      inexact = machine.download(found, 1)[0] != 0;
    });
  }

  static const char* range_of_scales(const float* scales, std::int64_t size, Launch launch, float& smallest,
                                     bool& powers_of_two) {
    return reason_of([&] {
      Machine machine(launch);
      auto* found = machine.template scratch<ScaleExtremes>(1);
      machine.template launch_blocks<ScaleExtremes>(RangeOfScalesLaunch{scales, size, found});
      const ScaleExtremes extremes = machine.download(found, 1)[0];
      const float least = __builtin_bit_cast(float, ~static_cast<std::uint32_t>(extremes.above_smallest));
      if (extremes.above_smallest != 0 && least < smallest) smallest = least;
      powers_of_two = extremes.has_others == 0;
    });
  }

  static const char* divide_outer_scale(const float* scales, std::int64_t size, float outer,
                                        const FormatConstants& e4m3, float* out, Launch launch) {
    return run(launch, DivideOuterLaunch{scales, size, outer, e4m3, out});
  }

  static const char* gemm_emulated(const PreparedGemm& call, Launch launch) {
    return run(launch, EmulatedGemmLaunch{call});
  }

  static constexpr CudaMatrixKernels table() {
    return {quantize, scale_sums, scale_numbers, range_of_scales, divide_outer_scale, gemm_emulated};
  }

 private:
  template <class Body>
  static const char* run(Launch launch, const Body& body) {
    return reason_of([&] {
      Machine machine(launch);
      machine.launch(body);
      machine.wait();
    });
  }

  // The matrix's, where a scale follows from it; `amax` is known unless null.
  static const LaunchCounts* amax_of_all(Machine& machine, const MatrixCall& call, const float* in, const float* amax) {
    if (!call.is_one_amax && call.outer != MatrixCall::Outer::Matrix) return nullptr;
    if (amax != nullptr) {
      LaunchCounts known;
      known.largest = __builtin_bit_cast(std::int32_t, *amax);
      return machine.upload(std::vector<LaunchCounts>{known});
    }
    auto* all = machine.template scratch<LaunchCounts>(1);
    machine.template launch_blocks<LaunchCounts>(MatrixAmaxLaunch{call, in, all});
    return all;
  }

  static std::int64_t outers_of(const MatrixCall& call) {
    if (call.outer == MatrixCall::Outer::Rows) return call.shape.rows;
    return call.outer == MatrixCall::Outer::Columns ? call.shape.cols : 1;
  }
};

}  // namespace precipice
