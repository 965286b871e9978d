// SPDX-License-Identifier: Apache-2.0
// Updates that a gate in the device's memory lets through or not (optim/multi_tensor/update_gate.h), against updates that the
// host decides on.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "tests/cuda/multi_tensor_comparison.h"

namespace precipice::test {

inline void compare_decisions(const Kernels& kernels) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  for (const double norm : {0.0, 0.75, 3.0, kInfinity, kNan})
    for (const double clip : {0.0, 1.0})
      for (const bool skips : {false, true})
        for (const std::optional<std::uint32_t> failed : {std::optional<std::uint32_t>(), {0u}, {1u}}) {
          CAPTURE(norm, clip, skips, failed.value_or(7));
          DeviceResult<double> there(kernels, norm);
          DeviceResult<std::uint32_t> flag(kernels, failed.value_or(1));
          DeviceResult<UpdateGate> gate(kernels, {-1, -1});
          require_done(kernels.multi_tensor->decide(
              {there.data(), failed.has_value() ? flag.data() : nullptr, clip, skips}, gate.data(), {}));
          // Of torch.nn.utils.clip_grad_norm_; a NaN stays.
          const double factor = clip == 0 ? 1.0 : norm > 1 ? 1 / (norm + 1e-6) : norm != norm ? kNan : 1.0;
          CHECK(same_number(gate.value().grad_scale, factor));
          CHECK(gate.value().is_open == ((skips && !std::isfinite(norm)) || failed.value_or(0) != 0 ? 0 : 1));
        }
}

// Under an open gate the gradient's factor is the gate's, whatever the call says; under a closed one nothing is touched.
inline void compare_gated_updates(const Kernels& kernels, bool with_kahan) {
  UpdateArgs update{.lr = 1e-2, .weight_decay = 0.1, .grad_scale = 0.37, .step = 3};
  if (with_kahan) update.kahan = parse_float_format("bf16");
  std::vector<Tensors> tensors{wide_tensors(9), wide_tensors(10), wide_tensors(11), squares_of(wide_tensors(12))};
  if (with_kahan) tensors.push_back(wide_tensors(13));
  const OptimizerConfig config;
  UpdateArgs other = update;
  other.grad_scale = 17;
  for (const bool is_open : {true, false}) {
    DeviceResult<UpdateGate> gate(kernels, {update.grad_scale, is_open ? 1.0 : 0.0});
    const auto on_host = [&](const TensorLists& lists) {
      if (!is_open) return std::vector<double>{0, 0};
      const UpdateNorms norms = multi_tensor_update<AdamW>(config, update, lists);
      return std::vector<double>{norms.update, norms.weight};
    };
    const auto on_device = [&](CudaMultiTensorCall call) {
      call.gate = gate.data();
      DeviceResult<UpdateNorms> norms(kernels, {-1, -1});
      if (with_kahan) {
        const KahanElement<AdamW> body(config, other);
        require_done(kernels.multi_tensor->update_kahan(call, 0, &body, norms.data()));
      } else {
        const UpdateBody<AdamW> body(config, other);
        require_done(kernels.multi_tensor->update(call, 0, &body, norms.data()));
      }
      return std::vector<double>{norms.value().update, norms.value().weight};
    };
    compare_operation(kernels, tensors, on_host, on_device);
  }
}

inline void check_gated_store(const Kernels& kernels) {
  StateConfig config;
  config.moment1 = "e4m3";
  config.state_scaling = "current";
  const StoredFormat stored = parse_stored_formats(config).moment1;
  const std::vector<float> values{1.03f, -7.7f, 0.0f}, scale{0.5f};
  for (const bool is_open : {true, false}) {
    DeviceResult<UpdateGate> gate(kernels, {1.0, is_open ? 1.0 : 0.0});
    DeviceArray<float> there(kernels, values), scales(kernels, scale);
    CudaStoreCall call = cuda_store_call({there.data(), 3}, stored, {scales.data(), 1}, {});
    call.gate = gate.data();
    require_done(kernels.multi_tensor->store(call, {}));
    CHECK((there.contents() == values) == !is_open);
    CHECK((scales.contents() == scale) == !is_open);
  }
}

inline void compare_gates(const Kernels& kernels) {
  static_assert(std::string_view(AdamW::kName) == "adamw", "the first of OptimizerRules");
  compare_decisions(kernels);
  for (const bool with_kahan : {false, true}) compare_gated_updates(kernels, with_kahan);
  check_gated_store(kernels);
}

}  // namespace precipice::test
