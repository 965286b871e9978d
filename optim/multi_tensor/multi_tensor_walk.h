// SPDX-License-Identifier: Apache-2.0
// What the multi-tensor kernels of every machine share: how lists are cut into chunks, the fixed order of sums, and
// what an operation makes of its chunks' results (flags, norms). A Runner runs one body over all chunks and reports
// their results in order: multi_tensor.cpp has the CPU's, multi_tensor_launch.h the one for devices.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "optim/multi_tensor/multi_tensor.h"
#include "optim/multi_tensor/multi_tensor_chunks.h"
#include "optim/multi_tensor/multi_tensor_functors.h"
#include "precision/base/check.h"

namespace precipice {

inline void check_lists(std::int64_t chunk, const std::int32_t* noop, const TensorLists& lists, int expected) {
  PRECIPICE_CHECK(chunk > 0, "chunk size is ", chunk);
  PRECIPICE_CHECK(noop != nullptr);
  PRECIPICE_CHECK(static_cast<int>(lists.size()) == expected, "needs ", expected, " lists, got ", lists.size());
  for (const TensorList& list : lists) {
    PRECIPICE_CHECK(list.size() == lists[0].size(), list.size(), " tensors beside ", lists[0].size());
    for (std::size_t t = 0; t < list.size(); ++t) {
      PRECIPICE_CHECK(list[t].size == lists[0][t].size, "tensor ", t, ": ", list[t].size, " beside ", lists[0][t].size);
      PRECIPICE_CHECK(list[t].data != nullptr || list[t].size == 0, "tensor ", t, " has no data");
    }
  }
}

// f(tensor, at, size) for every chunk, in order; at[d] is where it begins in list d.
template <int kLists, class F>
void cut_into_chunks(std::int64_t chunk, const TensorLists& lists, F f) {
  for (std::size_t t = 0; t < lists[0].size(); ++t) {
    const std::int64_t size = lists[0][t].size;
    for (std::int64_t begin = 0; begin < size; begin += chunk) {
      float* at[kLists];
      for (int d = 0; d < kLists; ++d) at[d] = lists[static_cast<std::size_t>(d)][t].data + begin;
      f(t, at, size - begin < chunk ? size - begin : chunk);
    }
  }
}

// The operations of multi_tensor.h.
template <class Runner>
struct MultiTensorOps {
  mutable Runner run;  // a runner may keep buffers
  std::int64_t chunk;
  std::int32_t* noop;

  void scale(const TensorLists& lists, float factor) const {
    for_each_chunk(lists, ScaleBody{factor}, [](std::size_t, const ChunkResult&) {});
  }

  void axpby(const TensorLists& lists, float a, float b, AxpbyCheck check) const {
    const AxpbyBody body{a, b, check != AxpbyCheck::Y, check != AxpbyCheck::X};
    for_each_chunk(lists, body, [](std::size_t, const ChunkResult&) {});
  }

  double l2norm(const TensorLists& lists, std::vector<double>* per_tensor) const {
    return norm_of(lists, NormBody{}, per_tensor);
  }

  double unscale_l2norm(const TensorLists& lists, float factor) const {
    return norm_of(lists, ScaleBody{factor}, nullptr);
  }

  UpdateNorms adam(const TensorLists& lists, const AdamArgs& args) const {
    PRECIPICE_CHECK(args.step >= 1, "step is ", args.step);
    return update(lists, AdamBody(args));
  }

  UpdateNorms sgd(const TensorLists& lists, const SgdArgs& args) const {
    PRECIPICE_CHECK(noop != nullptr);
    if (*noop != 0) return {};
    return update(lists, SgdBody(args));
  }

  UpdateNorms lion(const TensorLists& lists, const LionArgs& args) const { return update(lists, LionBody(args)); }

  template <class Body>
  UpdateNorms update(const TensorLists& lists, const Body& body) const {
    UpdateNorms norms;
    for_each_chunk(lists, body, [&](std::size_t, const ChunkResult& result) {
      norms.update += result.squares[0];
      norms.weight += result.squares[1];
    });
    return norms;
  }

 private:
  // on_chunk(tensor, result) after every chunk, in order.
  template <class Body, class OnChunk>
  void for_each_chunk(const TensorLists& lists, const Body& body, OnChunk on_chunk) const {
    check_lists(chunk, noop, lists, Body::kLists);
    run(chunk, lists, body, [&](std::size_t tensor, const ChunkResult& result) {
      if (result.nonfinite) *noop = 1;
      on_chunk(tensor, result);
    });
  }

  // The norm of what the body measures; sets the flag when it is not finite.
  template <class Body>
  double norm_of(const TensorLists& lists, const Body& body, std::vector<double>* per_tensor) const {
    double total = 0;
    if (per_tensor) per_tensor->assign(lists.empty() ? 0 : lists[0].size(), 0.0);
    for_each_chunk(lists, body, [&](std::size_t tensor, const ChunkResult& result) {
      total += result.squares[0];
      if (per_tensor) (*per_tensor)[tensor] += result.squares[0];
    });
    if (per_tensor) {
      for (double& norm : *per_tensor) norm = std::sqrt(norm);
    }
    if (!std::isfinite(total)) *noop = 1;
    return std::sqrt(total);
  }
};

}  // namespace precipice
