// SPDX-License-Identifier: Apache-2.0
// The multi-tensor kernels against those of optim/multi_tensor on the host: tensors and norms bit for bit, but that a NaN
// that arithmetic makes may be any NaN: a GPU has one, x86 keeps its first operand's.
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "optim/multi_tensor/kahan_element.h"
#include "optim/multi_tensor/multi_tensor_update.h"
#include "optim/store.h"
#include "precision/kernels/quantize_isa.h"
#include "precision/scaling/scale_formulas.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/optim/tensors.h"
#include "tests/precision/rounding/support.h"

namespace precipice::test {

// Around warps, lanes and blocks of the launch, blocks of elements and chunks.
inline std::vector<std::int64_t> multi_tensor_sizes() {
  std::vector<std::int64_t> sizes = kSizes;
  for (const std::int64_t size : {31, 32, 33, 127, 128, 129, 130}) sizes.push_back(size);
  return sizes;
}

inline bool same_number(double a, double b) {
  return __builtin_bit_cast(std::uint64_t, a) == __builtin_bit_cast(std::uint64_t, b) || (a != a && b != b);
}

// All shapes of launches, or on the CPU, where they are slow, one that the next call exchanges.
inline std::vector<Launch> next_launches(const Kernels& kernels) {
  static std::size_t turn = 0;
  if (&kernels != &on_cpu().library.kernels) return kLaunches;
  return {kLaunches[turn++ % kLaunches.size()]};
}

// `on_host(lists)` and `on_device(call)` return the operation's numbers.
template <class OnHost, class OnDevice>
void compare_operation(const Kernels& kernels, const std::vector<Tensors>& tensors, OnHost on_host,
                       OnDevice on_device) {
  std::vector<Tensors> host = tensors;
  TensorLists host_lists;
  for (Tensors& list : host) host_lists.push_back(list.list());
  const std::vector<double> expected = on_host(host_lists);
  for (const Launch launch : next_launches(kernels)) {
    std::vector<std::vector<std::unique_ptr<DeviceArray<float>>>> device(tensors.size());
    std::vector<FloatSpan> spans;
    for (std::size_t d = 0; d < tensors.size(); ++d) {
      for (const auto& tensor : tensors[d].data) {
        device[d].push_back(std::make_unique<DeviceArray<float>>(kernels, tensor, tensor.size() % 3));
        spans.push_back({device[d].back()->data(), static_cast<std::int64_t>(tensor.size())});
      }
    }
    const auto count = static_cast<std::int64_t>(tensors[0].data.size());
    const std::vector<double> numbers =
        on_device(CudaMultiTensorCall{{spans.data(), static_cast<std::int64_t>(tensors.size()), count}, launch});

    INFO("launch " << launch.blocks << "x" << launch.threads);
    CHECK(std::equal(numbers.begin(), numbers.end(), expected.begin(), expected.end(), same_number));
    std::size_t wrong = 0;
    for (std::size_t d = 0; d < host.size(); ++d) {
      for (std::size_t t = 0; t < host[d].data.size(); ++t) {
        const std::vector<float> result = device[d][t]->contents();
        for (std::size_t i = 0; i < result.size(); ++i) wrong += !same(result[i], host[d].data[t][i]);
      }
    }
    CHECK(wrong == 0);
  }
}

// Values over the whole range of magnitudes; with `bad`, an infinity and a NaN among them.
inline Tensors wide_tensors(std::uint32_t seed, bool bad = false) {
  Tensors tensors = random_tensors(multi_tensor_sizes(), seed, 2.0f);
  Stream stream{seed};
  for (auto& tensor : tensors.data) {
    for (float& x : tensor) x = std::ldexp(x, static_cast<int>(stream.next() % 60) - 40);
  }
  if (bad) tensors.data[20][4999] = std::numeric_limits<float>::infinity();
  if (bad) tensors.data[9][1024] = std::numeric_limits<float>::quiet_NaN();
  return tensors;
}

inline Tensors squares_of(Tensors tensors) {
  for (auto& tensor : tensors.data) {
    for (float& x : tensor) x *= x;
  }
  return tensors;
}

inline void compare_norms(const Kernels& kernels, bool bad) {
  const auto& device = *kernels.multi_tensor;
  using Numbers = std::vector<double>;
  compare_operation(
      kernels, {wide_tensors(1, bad)}, [](const TensorLists& l) { return Numbers{multi_tensor_l2norm(l[0])}; },
      [&](const CudaMultiTensorCall& call) {
        double norm = -1;
        require_done(device.l2norm(call, norm));
        return Numbers{norm};
      });
  compare_operation(
      kernels, {wide_tensors(3, bad)},
      [](const TensorLists& l) { return Numbers{multi_tensor_scale_l2norm(l[0], 1 / 3.0f)}; },
      [&](const CudaMultiTensorCall& call) {
        double norm = -1;
        require_done(device.scale_l2norm(call, 1 / 3.0f, norm));
        return Numbers{norm};
      });
  compare_operation(
      kernels, {wide_tensors(5, bad), wide_tensors(6)},
      [](const TensorLists& l) { return Numbers{multi_tensor_distance(l[0], l[1])}; },
      [&](const CudaMultiTensorCall& call) {
        double norm = -1;
        require_done(device.distance(call, norm));
        return Numbers{norm};
      });
}

// number: the rule's place in OptimizerRules.
template <class Rule>
void compare_update(const Kernels& kernels, bool bad, int number, const OptimizerConfig& config,
                    const UpdateArgs& update) {
  std::vector<Tensors> tensors{wide_tensors(9, bad), wide_tensors(10)};
  // Second moments are squares.
  for (int i = 0; i < kMomentsOf<Rule>; ++i)
    tensors.push_back(i == 1 ? squares_of(wide_tensors(12)) : wide_tensors(11));
  if (update.kahan) tensors.push_back(wide_tensors(13));
  const auto numbers = [](const UpdateNorms& norms) { return std::vector<double>{norms.update, norms.weight}; };
  const auto& device = *kernels.multi_tensor;
  compare_operation(
      kernels, tensors, [&](const TensorLists& l) { return numbers(multi_tensor_update<Rule>(config, update, l)); },
      [&](const CudaMultiTensorCall& call) {
        UpdateNorms norms;
        if (update.kahan) {
          const KahanElement<Rule> body(config, update);
          require_done(device.update_kahan(call, number, &body, norms));
        } else {
          const UpdateBody<Rule> body(config, update);
          require_done(device.update(call, number, &body, norms));
        }
        return numbers(norms);
      });
}

template <class... Rules>
void compare_all_updates(RuleList<Rules...>, const Kernels& kernels, bool bad) {
  for (const bool first : {true, false}) {
    OptimizerConfig config;
    config.nesterov = first;
    config.momentum = bad && first ? 0.0 : 0.9;
    UpdateArgs update{
        .lr = 1e-2, .weight_decay = 0.1, .independent_decay = 1e-3, .grad_scale = 0.37, .step = first ? 1 : 3};
    int number = 0;
    (compare_update<Rules>(kernels, bad, number++, config, update), ...);
    update.kahan = parse_float_format(bad ? "fp16" : first ? "bf16" : "e5m2:subnormals=flush");
    number = 0;
    (compare_update<Rules>(kernels, bad, number++, config, update), ...);
  }
}

// A broken contract comes back as a reason, not as an exception through the C interface.
inline void check_refusals(const Kernels& kernels) {
  double norm = 0;
  const FloatSpan span{nullptr, 10};
  CHECK(kernels.multi_tensor->l2norm({{&span, 1, 1}, {}}, norm) != nullptr);
  const FloatSpan nothing{nullptr, 0};
  CHECK(kernels.multi_tensor->l2norm({{&nothing, 1, 1}, {}}, norm) == nullptr);
  const UpdateBody<Sgd> body({}, {});
  UpdateNorms norms;
  CHECK(kernels.multi_tensor->update({{&nothing, 1, 1}, {}}, 1000, &body, norms) != nullptr);
  CHECK(kernels.multi_tensor->update_kahan({{&nothing, 1, 1}, {}}, -1, &body, norms) != nullptr);
  DeviceArray<float> one(kernels, {1.0f});
  float result = 0;
  CHECK(kernels.quantize->amax(one.data(), 1, {1, -1}, result) != nullptr);
  CHECK(kernels.quantize->amax(one.data(), 1, {1, 1025}, result) != nullptr);
}

// What a kernel would understand otherwise than the CPU's loops do.
inline void check_refused_quantize_calls(const Kernels& kernels) {
  DeviceArray<float> one(kernels, {1.0f});
  DeviceArray<double> wide(kernels, {1.0});
  const QuantizeCall good = prepare_call(one.data(), one.data(), 1, {}, 1.0f, {}, 0);
  EventCounts counts;
  CHECK(kernels.quantize->quantize(good, {}, counts) == nullptr);
  const auto is_refused = [&](auto change) {
    QuantizeCall call = good;
    change(call);
    return kernels.quantize->quantize(call, {}, counts) != nullptr;
  };
  CHECK(is_refused([&](QuantizeCall& call) { call.size = -1; }));
  CHECK(is_refused([&](QuantizeCall& call) { call.divide = true; }));
  CHECK(is_refused([&](QuantizeCall& call) { call.block_shift = 5; }));
  CHECK(is_refused([&](QuantizeCall& call) {
    call.multipliers = one.data();
    call.scale = 2.0f;
  }));
  CHECK(is_refused([&](QuantizeCall& call) {
    call.multipliers = one.data();
    call.block_shift = 3;
  }));
  WideQuantizeCall call = prepare_call(wide.data(), one.data(), 1, {}, 1.0f, {}, 0);
  CHECK(kernels.quantize->quantize_wide(call, {}, counts) == nullptr);
  call.multipliers = one.data();
  CHECK(kernels.quantize->quantize_wide(call, {}, counts) != nullptr);
}

// Keeping an array (optim/store.h) out of amax, quantize and a scaled copy of itself, a block at a time: the host's bits.
inline void compare_store(const Kernels& kernels, const StoredFormat& stored) {
  std::vector<float> values = wide_tensors(14).data[20];
  const auto size = static_cast<std::int64_t>(values.size());
  DeviceArray<float> device(kernels, values, 1);
  const RandomKey key{5, 6, 7, 2};
  const std::vector<float> previous(static_cast<std::size_t>(stored.scales(size)), 0.5f);
  std::vector<float> scales = previous;
  store({values.data(), size}, stored, {scales.data(), static_cast<std::int64_t>(scales.size())}, key);
  const bool scaled = stored.rule != StoredScaling::None;
  const ElementQuantizer spec{.format = stored.format,
                              .rounding = stored.rounding,
                              .overflow = scaled ? Overflow::Propagate : Overflow::Native};
  const std::int64_t block = stored.block == 0 ? size : stored.block;
  for (std::int64_t begin = 0; begin < size; begin += block) {
    float* const at = device.data() + begin;
    const std::int64_t count = std::min(block, size - begin);
    const float scale = scaled ? scales[static_cast<std::size_t>(begin / block)] : 1.0f;
    float largest = 0;
    require_done(kernels.quantize->amax(at, count, {}, largest));
    if (stored.rule == StoredScaling::Current)
      CHECK(te_current_scale({.amax = largest, .max_finite = stored.format.max_finite()}, false) == scale);
    EventCounts counts;
    const auto first = static_cast<std::uint64_t>(begin);
    require_done(kernels.quantize->quantize(prepare_call(at, at, count, spec, scale, key, first), {}, counts));
    const FloatSpan span{at, count};
    double ignored = 0;
    if (scale != 1.0f) require_done(kernels.multi_tensor->scale_l2norm({{&span, 1, 1}, {}}, 1.0f / scale, ignored));
  }
  const std::vector<float> result = device.contents();
  CHECK(std::equal(result.begin(), result.end(), values.begin(), same));
}

inline void compare_stores(const Kernels& kernels) {
  const std::pair<const char*, const char*> kinds[] = {{"bf16-sr", "none"},           {"e4m3", "current"},
                                                       {"e5m2", "current-pow2"},      {"fp16", "ms-amp"},
                                                       {"e4m3", "current:block=128"}, {"fp16-sr", "current"}};
  for (const auto& [format, scaling] : kinds) {
    INFO(format << " " << scaling);
    StateConfig config;
    config.moment1 = format;
    config.state_scaling = scaling;
    compare_store(kernels, parse_stored_formats(config).moment1);
  }
}

}  // namespace precipice::test
