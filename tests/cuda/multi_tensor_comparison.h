// SPDX-License-Identifier: Apache-2.0
// The multi-tensor kernels against optim/multi_tensor/multi_tensor.h on the host: tensors, flags and norms bit for bit,
// but that a NaN that arithmetic makes may be any NaN: a GPU has one, x86 keeps its first operand's.
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "optim/multi_tensor/multi_tensor.h"
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

struct MultiTensorCase {
  std::vector<Tensors> tensors;
  std::vector<std::size_t> lists;  // which of them, one for each list: twice the same is in place
  std::int32_t noop = 0;
};

// `on_host(chunk, noop, lists)` and `on_device(call)` return the operation's numbers.
template <class OnHost, class OnDevice>
void compare_operation(const Kernels& kernels, const MultiTensorCase& c, OnHost on_host, OnDevice on_device) {
  for (const std::int64_t chunk : {std::int64_t{1000}, kTestChunk, kChunkSize}) {
    for (const Launch launch : kLaunches) {
      std::vector<Tensors> host = c.tensors;
      TensorLists host_lists;
      for (const std::size_t which : c.lists) host_lists.push_back(host[which].list());
      std::int32_t host_noop = c.noop;
      const std::vector<double> expected = on_host(chunk, &host_noop, host_lists);

      std::vector<std::vector<std::unique_ptr<DeviceArray<float>>>> device(c.tensors.size());
      for (std::size_t which = 0; which < c.tensors.size(); ++which) {
        for (const auto& tensor : c.tensors[which].data)
          device[which].push_back(std::make_unique<DeviceArray<float>>(kernels, tensor, tensor.size() % 3));
      }
      std::vector<FloatSpan> spans;
      for (const std::size_t which : c.lists) {
        for (std::size_t t = 0; t < device[which].size(); ++t)
          spans.push_back({device[which][t]->data(), static_cast<std::int64_t>(c.tensors[which].data[t].size())});
      }
      const auto count = static_cast<std::int64_t>(c.tensors[0].data.size());
      std::int32_t noop = c.noop;
      const std::vector<double> numbers = on_device(
          CudaMultiTensorCall{chunk, &noop, {spans.data(), static_cast<std::int64_t>(c.lists.size()), count}, launch});

      INFO("chunk " << chunk << " launch " << launch.blocks << "x" << launch.threads);
      CHECK(noop == host_noop);
      CHECK(std::equal(numbers.begin(), numbers.end(), expected.begin(), expected.end(), same_number));
      std::size_t wrong = 0;
      for (std::size_t which = 0; which < host.size(); ++which) {
        for (std::size_t t = 0; t < host[which].data.size(); ++t) {
          const std::vector<float> result = device[which][t]->contents();
          for (std::size_t i = 0; i < result.size(); ++i) wrong += !same(result[i], host[which].data[t][i]);
        }
      }
      CHECK(wrong == 0);
    }
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

inline void compare_scale_and_axpby(const Kernels& kernels, bool bad) {
  const auto& device = *kernels.multi_tensor;
  for (const std::vector<std::size_t>& lists : {std::vector<std::size_t>{0, 1}, {0, 0}}) {
    compare_operation(
        kernels, {{wide_tensors(1, bad), wide_tensors(2)}, lists},
        [](std::int64_t chunk, std::int32_t* noop, const TensorLists& l) {
          multi_tensor_scale(chunk, noop, l, 0.3f);
          return std::vector<double>{};
        },
        [&](const CudaMultiTensorCall& call) {
          require_done(device.scale(call, 0.3f));
          return std::vector<double>{};
        });
    compare_operation(
        kernels, {{wide_tensors(3, bad), wide_tensors(4)}, lists},
        [](std::int64_t chunk, std::int32_t* noop, const TensorLists& l) {
          return std::vector<double>{multi_tensor_unscale_l2norm(chunk, noop, l, 1 / 3.0f)};
        },
        [&](const CudaMultiTensorCall& call) {
          double norm = -1;
          require_done(device.unscale_l2norm(call, 1 / 3.0f, norm));
          return std::vector<double>{norm};
        });
  }
  for (const AxpbyCheck check : {AxpbyCheck::Both, AxpbyCheck::X, AxpbyCheck::Y}) {
    compare_operation(
        kernels, {{wide_tensors(5, bad), wide_tensors(6), wide_tensors(7)}, {0, 1, check == AxpbyCheck::X ? 1u : 2u}},
        [&](std::int64_t chunk, std::int32_t* noop, const TensorLists& l) {
          multi_tensor_axpby(chunk, noop, l, 0.7f, -1.3f, check);
          return std::vector<double>{};
        },
        [&](const CudaMultiTensorCall& call) {
          require_done(device.axpby(call, 0.7f, -1.3f, check));
          return std::vector<double>{};
        });
  }
}

inline void compare_norms(const Kernels& kernels, bool bad) {
  const auto& device = *kernels.multi_tensor;
  compare_operation(
      kernels, {{wide_tensors(8, bad)}, {0}},
      [](std::int64_t chunk, std::int32_t* noop, const TensorLists& l) {
        std::vector<double> norms;
        const double norm = multi_tensor_l2norm(chunk, noop, l, &norms);
        norms.push_back(norm);
        return norms;
      },
      [&](const CudaMultiTensorCall& call) {
        std::vector<double> norms(static_cast<std::size_t>(call.table.tensors) + 1, -1.0);
        require_done(device.l2norm(call, norms.back(), norms.data()));
        double alone = -1;
        require_done(device.l2norm(call, alone, nullptr));
        CHECK(same_number(alone, norms.back()));
        return norms;
      });
}

inline void compare_updates(const Kernels& kernels, bool bad) {
  const auto& device = *kernels.multi_tensor;
  for (const AdamMode mode : {AdamMode::L2, AdamMode::DecoupledDecay}) {
    AdamArgs args{1e-2, 0.9, 0.999, 1e-8, 3, mode, true, 0.1, 1e-3, 0.37, {}};
    compare_operation(
        kernels,
        {{wide_tensors(9, bad), wide_tensors(10), wide_tensors(11), squares_of(wide_tensors(12))}, {0, 1, 2, 3}},
        [&](std::int64_t chunk, std::int32_t* noop, const TensorLists& l) {
          const UpdateNorms norms = multi_tensor_adam(chunk, noop, l, args);
          return std::vector<double>{norms.update, norms.weight};
        },
        [&](const CudaMultiTensorCall& call) {
          UpdateNorms norms;
          require_done(device.adam(call, args, norms));
          return std::vector<double>{norms.update, norms.weight};
        });
  }
  for (int choice = 0; choice < 8; ++choice) {
    SgdArgs args{1e-2,
                 (choice & 1) != 0 ? 0.9 : 0.0,
                 0.1,
                 0.2,
                 1e-3,
                 0.37,
                 (choice & 2) != 0,
                 (choice & 4) != 0,
                 (choice & 2) == 0,
                 {}};
    // A set flag stops sgd.
    compare_operation(
        kernels, {{wide_tensors(13, bad), wide_tensors(14), wide_tensors(15)}, {0, 1, 2}, choice == 7 ? 1 : 0},
        [&](std::int64_t chunk, std::int32_t* noop, const TensorLists& l) {
          const UpdateNorms norms = multi_tensor_sgd(chunk, noop, l, args);
          return std::vector<double>{norms.update, norms.weight};
        },
        [&](const CudaMultiTensorCall& call) {
          UpdateNorms norms;
          require_done(device.sgd(call, args, norms));
          return std::vector<double>{norms.update, norms.weight};
        });
  }
}

// A broken contract comes back as a reason, not as an exception through the C interface.
inline void check_refusals(const Kernels& kernels) {
  std::int32_t noop = 0;
  double norm = 0;
  const FloatSpan span{nullptr, 10};
  CHECK(kernels.multi_tensor->l2norm({kChunkSize, &noop, {&span, 1, 1}, {}}, norm, nullptr) != nullptr);
  CHECK(kernels.multi_tensor->scale({kChunkSize, &noop, {&span, 1, 1}, {}}, 1.0f) != nullptr);
  const FloatSpan nothing{nullptr, 0};
  CHECK(kernels.multi_tensor->l2norm({kChunkSize, &noop, {&nothing, 1, 1}, {}}, norm, nullptr) == nullptr);
  DeviceArray<float> one(kernels, {1.0f});
  float result = 0;
  CHECK(kernels.quantize->amax(one.data(), 1, {1, -1}, result) != nullptr);
}

}  // namespace precipice::test
