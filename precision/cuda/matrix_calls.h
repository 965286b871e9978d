// SPDX-License-Identifier: Apache-2.0
// The functions of CudaMatrixKernels on any Machine (quantize_calls.h says what that is).
#pragma once

#include <cstdint>

#include "precision/base/check.h"
#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/emulated_launch.h"
#include "precision/cuda/matrix_launch.h"
#include "precision/cuda/scale_launch.h"

namespace precipice {

template <class Machine>
struct MatrixCalls {
  static const char* quantize(const MatrixCall& call, const MatrixArrays& arrays, const float* amax,
                              const FoundNumbers& found, Launch launch) {
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
      BlockScalesLaunch scales{
          call, in, amax_of_all(machine, call, in, amax), nullptr, arrays.scales, arrays.multipliers};
      if (!has_only_scale(call)) {
        auto* const outers = machine.template unwritten<OuterScale>(outers_of(call));
        machine.launch(OuterScalesLaunch{call, in, scales.amax_of_all, outers});
        scales.outers = outers;
        if (scales.multipliers == nullptr)
          scales.multipliers = machine.template unwritten<float>(call.grid.grid_rows * call.grid.grid_cols);
        machine.launch(scales);
      }
      with_kernel_of(call.elements, [&]<KernelRounding K>() {
        MatrixElementsLaunch<K> elements{call, scales, machine.template sums<LaunchCounts>(), found};
        elements.call.elements.in = in;
        elements.call.elements.out = arrays.values;
        elements.call.elements.packed = arrays.packed;
        machine.template launch_blocks<LaunchCounts>(elements);
      });
    });
  }

  static const char* scale_sums(const ScaledSums& call, Launch launch) { return run(launch, ScaleSumsLaunch{call}); }

  static const char* scale_numbers(const ScaledNumbers& call, ScaleRange* range, Launch launch) {
    return run(launch, ScaleNumbersLaunch{call, range});
  }

  static const char* range_of_scales(const float* scales, std::int64_t size, ScaleRange* range, Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      machine.template launch_blocks<ScaleExtremes>(
          RangeOfScalesLaunch{scales, size, machine.template sums<ScaleExtremes>(), range});
    });
  }

  static const char* divide_outer_scale(const float* scales, std::int64_t size, const Factor& outer,
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
    });
  }

  // The matrix's, where a scale follows from it; `amax` is known unless null.
  static const float* amax_of_all(Machine& machine, const MatrixCall& call, const float* in, const float* amax) {
    if (amax != nullptr || (!call.is_one_amax && call.outer != MatrixCall::Outer::Matrix)) return amax;
    auto* const found = machine.template unwritten<float>(1);
    machine.template launch_blocks<LaunchCounts>(
        MatrixAmaxLaunch{call, in, machine.template sums<LaunchCounts>(), found});
    return found;
  }

  static std::int64_t outers_of(const MatrixCall& call) {
    if (call.outer == MatrixCall::Outer::Rows) return call.shape.rows;
    return call.outer == MatrixCall::Outer::Columns ? call.shape.cols : 1;
  }
};

}  // namespace precipice
