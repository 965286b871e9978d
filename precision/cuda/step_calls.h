// SPDX-License-Identifier: Apache-2.0
// The functions of CudaStepKernels on any Machine (quantize_calls.h says what that is).
#pragma once

#include "precision/base/check.h"
#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/logit_launch.h"
#include "precision/cuda/step_launch.h"

namespace precipice {

template <class Machine>
struct StepCalls {
  static const char* rotate(const Rotation& call, Launch launch) { return run(launch, RotateLaunch{call}); }

  static const char* gather_rows(const TableRows& rows, const float* table, float* out, Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      auto* outside = machine.template scratch<std::int64_t>(1);
      machine.launch(GatherRowsLaunch{rows, table, out, outside});
      const std::int64_t place = machine.download(outside, 1)[0] - 1;
      PRECIPICE_CHECK(place < 0, "number ", place, " is none of ", rows.entries, " rows");
    });
  }

  static const char* add_rows(const TableRows& rows, const float* in, float* table, Launch launch) {
    return reason_of([&] {
      if (rows.count == 0) return;
      Machine machine(launch);
      auto* links = machine.template scratch<RowLink>(rows.count);
      machine.launch(LinkRowsLaunch{rows, links});
      machine.launch(AddRowsLaunch{rows, links, in, table});
      machine.wait();
    });
  }

  static const char* logit_rows(const LogitRowsOnDevice& call, Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      auto* outside = machine.template scratch<std::int64_t>(1);
      machine.launch(LogitRowsLaunch{call, outside});
      const std::int64_t place = machine.download(outside, 1)[0] - 1;
      PRECIPICE_CHECK(place < 0, "the target of row ", place, " is none of ", call.width, " logits");
    });
  }

  static const char* logit_gradient(const LogitGradientOnDevice& call, Launch launch) {
    return run(launch, LogitGradientLaunch{call});
  }

  static const char* squared_error(const float* y, const float* t, std::int64_t size, float* differences, Launch launch,
                                   double& sum) {
    return reason_of([&] {
      Machine machine(launch);
      auto* device_sum = machine.template scratch<double>(1);
      if (differences != nullptr) machine.launch(DifferencesLaunch{y, t, size, differences});
      machine.launch(SquaredErrorLaunch{y, t, size, device_sum});
      sum = machine.download(device_sum, 1)[0];
    });
  }

  static const char* scale(float* x, std::int64_t size, float factor, Launch launch) {
    return run(launch, ScaleLaunch{x, size, factor});
  }

  static constexpr CudaStepKernels table() {
    return {rotate, gather_rows, add_rows, logit_rows, logit_gradient, squared_error, scale};
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
};

}  // namespace precipice
