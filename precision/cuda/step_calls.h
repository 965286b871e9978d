// SPDX-License-Identifier: Apache-2.0
// The functions of CudaStepKernels on any Machine (quantize_calls.h says what that is).
#pragma once

#include "precision/cuda/column_launch.h"
#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/logit_launch.h"
#include "precision/cuda/look_launch.h"
#include "precision/cuda/step_launch.h"

namespace precipice {

template <class Machine>
struct StepCalls {
  static const char* rotate(const Rotation& call, Launch launch) { return run(launch, RotateLaunch{call}); }

  static const char* gather_rows(const TableRows& rows, const float* table, float* out, Launch launch) {
    return run(launch, GatherRowsLaunch{rows, table, out});
  }

  static const char* add_rows(const TableRows& rows, const float* in, float* table, Launch launch) {
    return reason_of([&] {
      if (rows.count == 0) return;
      Machine machine(launch);
      auto* links = machine.template unwritten<RowLink>(rows.count);
      machine.launch(LinkRowsLaunch{rows, links});
      machine.launch(AddRowsLaunch{rows, links, in, table});
    });
  }

  static const char* logit_rows(const LogitRowsCall& call, Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      if (call.packed != nullptr)
        machine.launch_rows(LogitRowsLaunch{call, Bf16Logits{call.packed}, call.count});
      else
        machine.launch_rows(LogitRowsLaunch{call, Fp32Logits{call.z}, call.count});
    });
  }

  static const char* logit_gradient(const LogitGradient& call, Launch launch) {
    return call.packed != nullptr ? run(launch, Bf16LogitGradientLaunch{call}) : run(launch, LogitGradientLaunch{call});
  }

  static const char* squared_error(const float* y, const float* t, std::int64_t size, float* differences, double* sum,
                                   Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      if (differences != nullptr) machine.launch(DifferencesLaunch{y, t, size, differences});
      machine.launch(SquaredErrorLaunch{y, t, size, sum});
    });
  }

  static const char* scale(float* x, std::int64_t size, const MeanShare& share, Launch launch) {
    return run(launch, ScaleLaunch{x, size, share});
  }

  static const char* column_sums(const ColumnSums& call, Launch launch) {
    return reason_of([&] {
      constexpr std::int64_t kFewRows = 256;  // for a thread
      Machine machine(launch);
      const std::int64_t group = std::int64_t{1} << column_group_power(call.rows);
      float* groups = nullptr;
      if (call.rows > kFewRows) {
        groups = machine.template unwritten<float>(call.rows / group * call.cols);
        machine.launch(ColumnGroupsLaunch{call, group, groups});
      }
      machine.launch(ColumnSumsLaunch{call, groups});
    });
  }

  static const char* amaxes(const SpanAmaxes& call, Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      for (std::int64_t next = 0; next < call.count;) {
        SpanAmaxesLaunch body{};
        body.amaxes = call.amaxes + next;
        std::int64_t chunks = 0;
        for (; next < call.count && body.count < SpanAmaxesLaunch::kMost; ++next) {
          chunks += (call.sizes[next] + SpanAmaxesLaunch::kChunk - 1) / SpanAmaxesLaunch::kChunk;
          body.data[body.count] = call.data[next];
          body.sizes[body.count] = call.sizes[next];
          body.ends[body.count++] = chunks;
        }
        machine.launch(body);
      }
    });
  }

  static const char* look(const Assumption* assumptions, std::int64_t count, std::uint32_t* failed, Launch launch) {
    return reason_of([&] {
      Machine machine(launch);
      for (std::int64_t next = 0; next < count;) {
        LookLaunch body{};
        body.failed = failed;
        while (next < count && body.append(assumptions[next])) ++next;
        machine.launch(body);
      }
    });
  }

  static constexpr CudaStepKernels table() {
    return {rotate, gather_rows, add_rows, logit_rows, logit_gradient, squared_error, scale, column_sums, amaxes, look};
  }

 private:
  template <class Body>
  static const char* run(Launch launch, const Body& body) {
    return reason_of([&] {
      Machine machine(launch);
      machine.launch(body);
    });
  }
};

}  // namespace precipice
