// SPDX-License-Identifier: Apache-2.0
// What the multi-tensor kernels of every machine share: how lists are cut into chunks, the fixed order of sums, and
// what an operation makes of its chunks' results. A Runner runs one body over all chunks and reports their results in
// order: multi_tensor_update.h has the CPU's. On devices a launch adds them up, in the same order (multi_tensor_launch.h).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "optim/multi_tensor/multi_tensor.h"
#include "optim/multi_tensor/multi_tensor_chunks.h"
#include "precision/base/check.h"

namespace precipice {

inline void check_lists(const TensorLists& lists, int expected) {
  PRECIPICE_CHECK(static_cast<int>(lists.size()) == expected, "needs ", expected, " lists, got ", lists.size());
  for (const TensorList& list : lists) {
    PRECIPICE_CHECK(list.size() == lists[0].size(), list.size(), " tensors beside ", lists[0].size());
    for (std::size_t t = 0; t < list.size(); ++t) {
      PRECIPICE_CHECK(list[t].size == lists[0][t].size, "tensor ", t, ": ", list[t].size, " beside ", lists[0][t].size);
      PRECIPICE_CHECK(list[t].data != nullptr || list[t].size == 0, "tensor ", t, " has no data");
    }
  }
}

// f(at, size) for every chunk, in order; at[d] is where it begins in list d.
template <int kLists, class F>
void cut_into_chunks(const TensorLists& lists, F f) {
  for (std::size_t t = 0; t < lists[0].size(); ++t) {
    const std::int64_t size = lists[0][t].size;
    for (std::int64_t begin = 0; begin < size; begin += kChunkSize) {
      float* at[kLists];
      for (int d = 0; d < kLists; ++d) at[d] = lists[static_cast<std::size_t>(d)][t].data + begin;
      f(at, size - begin < kChunkSize ? size - begin : kChunkSize);
    }
  }
}

// The sums of squares that a body measures, over all chunks in order: {update, weight} of an update, {norm^2, 0} else.
template <class Runner, class Body>
UpdateNorms sum_over_chunks(Runner& run, const TensorLists& lists, const Body& body) {
  check_lists(lists, Body::kLists);
  UpdateNorms sums;
  run(lists, body, [&](const ChunkResult& result) {
    sums.update += result.squares[0];
    sums.weight += result.squares[1];
  });
  return sums;
}

// The norm of what a body measures.
template <class Runner, class Body>
double norm_over_chunks(Runner& run, const TensorLists& lists, const Body& body) {
  return std::sqrt(sum_over_chunks(run, lists, body).update);
}

}  // namespace precipice
