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

#include "optim/cuda_optimizer_machine.h"
#include "optim/multi_tensor/kahan_element.h"
#include "optim/multi_tensor/multi_tensor_update.h"
#include "optim/store.h"
#include "precision/kernels/quantize_isa.h"
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
        DeviceResult<double> norm(kernels, -1);
        require_done(device.l2norm(call, norm.data()));
        return Numbers{norm.value()};
      });
  compare_operation(
      kernels, {wide_tensors(3, bad)},
      [](const TensorLists& l) { return Numbers{multi_tensor_scale_l2norm(l[0], 1 / 3.0f)}; },
      [&](const CudaMultiTensorCall& call) {
        DeviceResult<double> norm(kernels, -1);
        require_done(device.scale_l2norm(call, 1 / 3.0f, norm.data()));
        return Numbers{norm.value()};
      });
  compare_operation(
      kernels, {wide_tensors(5, bad), wide_tensors(6)},
      [](const TensorLists& l) { return Numbers{multi_tensor_distance(l[0], l[1])}; },
      [&](const CudaMultiTensorCall& call) {
        DeviceResult<double> norm(kernels, -1);
        require_done(device.distance(call, norm.data()));
        return Numbers{norm.value()};
      });
}

// More tensors than one launch takes into the table of chunks, some of them empty, and some of several chunks.
inline void compare_many_tensors(const Kernels& kernels) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t t = 0; t < 150; ++t) sizes.push_back(t % 70 == 40 ? 2 * kChunkSize + 3 : t % 13);
  compare_operation(
      kernels, {random_tensors(sizes, 21, 2.0f)},
      [](const TensorLists& l) { return std::vector<double>{multi_tensor_scale_l2norm(l[0], 3.0f)}; },
      [&](const CudaMultiTensorCall& call) {
        DeviceResult<double> norm(kernels, -1);
        require_done(kernels.multi_tensor->scale_l2norm(call, 3.0f, norm.data()));
        return std::vector<double>{norm.value()};
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
        DeviceResult<UpdateNorms> norms(kernels, {-1, -1});
        if (update.kahan) {
          const KahanElement<Rule> body(config, update);
          require_done(device.update_kahan(call, number, &body, norms.data()));
        } else {
          const UpdateBody<Rule> body(config, update);
          require_done(device.update(call, number, &body, norms.data()));
        }
        return numbers(norms.value());
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
  DeviceResult<double> norm(kernels, -1);
  const FloatSpan span{nullptr, 10};
  CHECK(kernels.multi_tensor->l2norm({{&span, 1, 1}, {}}, norm.data()) != nullptr);
  const FloatSpan nothing{nullptr, 0};
  CHECK(kernels.multi_tensor->l2norm({{&nothing, 1, 1}, {}}, norm.data()) == nullptr);
  CHECK(norm.value() == 0);
  const UpdateBody<Sgd> body({}, {});
  DeviceResult<UpdateNorms> norms(kernels);
  CHECK(kernels.multi_tensor->update({{&nothing, 1, 1}, {}}, 1000, &body, norms.data()) != nullptr);
  CHECK(kernels.multi_tensor->update_kahan({{&nothing, 1, 1}, {}}, -1, &body, norms.data()) != nullptr);
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
  DeviceResult<MatrixNumbers> numbers(kernels);
  const FoundNumbers found{numbers.data(), ResultQuantum({})};
  CHECK(kernels.quantize->quantize(good, found, {}) == nullptr);
  const auto is_refused = [&](auto change) {
    QuantizeCall call = good;
    change(call);
    return kernels.quantize->quantize(call, found, {}) != nullptr;
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
  CHECK(kernels.quantize->quantize_wide(call, found, {}) == nullptr);
  call.multipliers = one.data();
  CHECK(kernels.quantize->quantize_wide(call, found, {}) != nullptr);
}

// Keeping an array (optim/store.h), twice: the second time what rules remember is not 1.
inline void compare_store(const Kernels& kernels, const StoredFormat& stored, Launch launch) {
  for (const std::size_t which : {std::size_t{20}, std::size_t{9}, std::size_t{3}}) {
    std::vector<float> values = wide_tensors(14, which == 9).data[which];
    const auto size = static_cast<std::int64_t>(values.size());
    std::vector<float> scales(static_cast<std::size_t>(stored.scales(size)), 0.5f);
    DeviceArray<float> device(kernels, values, 1), device_scales(kernels, scales, 1);
    for (const std::uint32_t step : {5u, 6u}) {
      const RandomKey key{5, step, 7, 2};
      const auto count = static_cast<std::int64_t>(scales.size());
      store({values.data(), size}, stored, {scales.data(), count}, key);
      const CudaStoreCall call = cuda_store_call({device.data(), size}, stored, {device_scales.data(), count}, key);
      require_done(kernels.multi_tensor->store(call, launch));
      const std::vector<float> result = device.contents(), found_scales = device_scales.contents();
      CHECK(std::equal(result.begin(), result.end(), values.begin(), same));
      CHECK(std::equal(found_scales.begin(), found_scales.end(), scales.begin(), same));
    }
  }
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
    for (const Launch launch : next_launches(kernels))
      compare_store(kernels, parse_stored_formats(config).moment1, launch);
  }
}

}  // namespace precipice::test
