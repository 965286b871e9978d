// SPDX-License-Identifier: Apache-2.0
// The CPU walk over tensor lists, one template for every element body. A chunk is cut into blocks that stay in the
// first-level cache: the body runs over a block, then the values it measured are squared and summed. Element i of a
// block adds to partial sum i % kLanes, the partial sums are combined in a fixed order, and blocks are added in order,
// so the compiler may use vectors of any width, and a GPU any number of threads, and the bits are the same. One thread.
#include "optim/multi_tensor.h"

#include <algorithm>

#include "optim/multi_tensor_functors.h"
#include "optim/multi_tensor_walk.h"

namespace precipice {
namespace {

double sum_of_squares(const float* x, std::int64_t size) {
  double lane[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) lane[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  }
  for (std::int64_t k = 0; i + k < size; ++k) lane[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  return sum_of_lanes(lane);
}

template <class Body>
std::uint32_t run_block(Body body, float* const (&list)[Body::kLists], std::int64_t begin, std::int64_t size,
                        float (&measured)[2][kBlock]) {
  float* at[Body::kLists];
  for (int d = 0; d < Body::kLists; ++d) at[d] = list[d] + begin;
  std::uint32_t nonfinite = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    float x[Body::kLists];
    for (int d = 0; d < Body::kLists; ++d) x[d] = at[d][i];
    const Outcome outcome = body(x);
    for (int d = 0; d < Body::kLists; ++d) {
      if ((Body::kWritten >> d) & 1u) at[d][i] = x[d];
    }
    for (int k = 0; k < Body::kMeasures; ++k) measured[k][i] = outcome.value[k];
    nonfinite |= outcome.nonfinite;
  }
  return nonfinite;
}

template <class Body>
ChunkResult run_chunk(const Body& body, float* const (&list)[Body::kLists], std::int64_t size) {
  float measured[2][kBlock];
  ChunkResult result{};
  for (std::int64_t begin = 0; begin < size; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, size - begin);
    result.nonfinite |= run_block(body, list, begin, count, measured);
    for (int k = 0; k < Body::kMeasures; ++k) result.squares[k] += sum_of_squares(measured[k], count);
  }
  return result;
}

struct CpuRunner {
  template <class Body, class OnChunk>
  void operator()(std::int64_t chunk, const TensorLists& lists, const Body& body, OnChunk on_chunk) {
    cut_into_chunks<Body::kLists>(chunk, lists,
                                  [&](std::size_t tensor, float* const(&at)[Body::kLists], std::int64_t size) {
                                    on_chunk(tensor, run_chunk(body, at, size));
                                  });
  }
};

using Ops = MultiTensorOps<CpuRunner>;

}  // namespace

void multi_tensor_scale(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, float scale) {
  Ops{{}, chunk, noop}.scale(lists, scale);
}

void multi_tensor_axpby(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, float a, float b,
                        AxpbyCheck check) {
  Ops{{}, chunk, noop}.axpby(lists, a, b, check);
}

double multi_tensor_l2norm(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists,
                           std::vector<double>* per_tensor) {
  return Ops{{}, chunk, noop}.l2norm(lists, per_tensor);
}

double multi_tensor_unscale_l2norm(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, float scale) {
  return Ops{{}, chunk, noop}.unscale_l2norm(lists, scale);
}

UpdateNorms multi_tensor_adam(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const AdamArgs& args) {
  return Ops{{}, chunk, noop}.adam(lists, args);
}

UpdateNorms multi_tensor_sgd(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const SgdArgs& args) {
  return Ops{{}, chunk, noop}.sgd(lists, args);
}

}  // namespace precipice
