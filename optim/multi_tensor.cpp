// SPDX-License-Identifier: Apache-2.0
// The CPU walk over tensor lists, one template for every element body. A chunk is cut into blocks that stay in the
// first-level cache: the body runs over a block, then the values it measured are squared and summed. Element i of a
// chunk adds to partial sum i % kLanes and the partial sums are combined in a fixed order, so the compiler may use
// vectors of any width and every width gives the same bits. One thread.
#include "optim/multi_tensor.h"

#include <algorithm>
#include <cmath>

#include "optim/multi_tensor_functors.h"
#include "precision/check.h"
#include "precision/quantize_kernels.h"

namespace precipice {
namespace {

constexpr std::int64_t kBlock = 1024;
constexpr std::int64_t kLanes = 8;
static_assert(kBlock % kLanes == 0);

struct SumOfSquares {
  double lane[kLanes] = {};

  void add(const float* x, std::int64_t size) {
    std::int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes) {
      for (std::int64_t k = 0; k < kLanes; ++k)
        lane[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
    }
    for (std::int64_t k = 0; i + k < size; ++k)
      lane[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  }

  double total() const {
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  }
};

struct ChunkResult {
  double squares[2] = {0, 0};
  std::uint32_t nonfinite = 0;
};

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

// Kahan 1965 as in Zamirai et al. arXiv 2010.06192 and in optimi; but decay is part of the compensated update, where
// optimi multiplies the kept weight by what decay leaves and so loses a decay of less than half an ulp.
template <class Body>
struct KahanBody {  // {Body's lists..., k}
  static constexpr int kLists = Body::kLists + 1, kMeasures = 2;
  ChangeBody<Body> change;
  QuantizeSpec spec;
};

template <class Body>
std::uint32_t run_block(const KahanBody<Body>& body, float* const (&list)[KahanBody<Body>::kLists], std::int64_t begin,
                        std::int64_t size, float (&measured)[2][kBlock]) {
  float* inner[Body::kLists];
  for (int d = 0; d < Body::kLists; ++d) inner[d] = list[d];
  const std::uint32_t nonfinite = run_block(body.change, inner, begin, size, measured);

  EventCounts counts;
  const auto round = [&](float* x) { quantize(x, x, size, body.spec, 1.0f, {}, 0, counts); };
  float* p = list[1] + begin;
  float* k = list[Body::kLists] + begin;
  float* change = measured[0];  // from here on a scratch array, at last what was added
  float next[kBlock];
  for (std::int64_t i = 0; i < size; ++i) k[i] += change[i];
  round(k);
  for (std::int64_t i = 0; i < size; ++i) next[i] = p[i] + k[i];
  round(next);
  for (std::int64_t i = 0; i < size; ++i) change[i] = p[i] - next[i];
  round(change);
  for (std::int64_t i = 0; i < size; ++i) k[i] += change[i];
  round(k);
  for (std::int64_t i = 0; i < size; ++i) {
    change[i] = next[i] - p[i];
    p[i] = next[i];
  }
  return nonfinite;
}

template <class Body>
ChunkResult run_chunk(const Body& body, float* const (&list)[Body::kLists], std::int64_t size) {
  float measured[2][kBlock];
  SumOfSquares sums[2];
  ChunkResult result;
  for (std::int64_t begin = 0; begin < size; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, size - begin);
    result.nonfinite |= run_block(body, list, begin, count, measured);
    for (int k = 0; k < Body::kMeasures; ++k) sums[k].add(measured[k], count);
  }
  for (int k = 0; k < Body::kMeasures; ++k) result.squares[k] = sums[k].total();
  return result;
}

void check_lists(std::int64_t chunk, const std::int32_t* noop, const TensorLists& lists, int expected) {
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

// on_chunk(tensor, result) after every chunk, in order.
template <class Body, class OnChunk>
void for_each_chunk(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const Body& body,
                    OnChunk on_chunk) {
  check_lists(chunk, noop, lists, Body::kLists);
  for (std::size_t t = 0; t < lists[0].size(); ++t) {
    const std::int64_t size = lists[0][t].size;
    for (std::int64_t begin = 0; begin < size; begin += chunk) {
      float* at[Body::kLists];
      for (int d = 0; d < Body::kLists; ++d) at[d] = lists[d][t].data + begin;
      const ChunkResult result = run_chunk(body, at, std::min(chunk, size - begin));
      if (result.nonfinite) *noop = 1;
      on_chunk(t, result);
    }
  }
}

template <class Body>
UpdateNorms walk(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const Body& body) {
  UpdateNorms norms;
  for_each_chunk(chunk, noop, lists, body, [&](std::size_t, const ChunkResult& result) {
    norms.update += result.squares[0];
    norms.weight += result.squares[1];
  });
  return norms;
}

template <class Body, class Args>
UpdateNorms update(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const Args& args) {
  const Body body(args);
  if (!args.kahan) return walk(chunk, noop, lists, body);
  return walk(chunk, noop, lists, KahanBody<Body>{{body}, {.format = *args.kahan, .overflow = Overflow::Native}});
}

// The norm of what the body measures; sets the flag when it is not finite.
template <class Body>
double norm_of(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const Body& body,
               std::vector<double>* per_tensor) {
  double total = 0;
  if (per_tensor) per_tensor->assign(lists.empty() ? 0 : lists[0].size(), 0.0);
  for_each_chunk(chunk, noop, lists, body, [&](std::size_t tensor, const ChunkResult& result) {
    total += result.squares[0];
    if (per_tensor) (*per_tensor)[tensor] += result.squares[0];
  });
  if (per_tensor) {
    for (double& norm : *per_tensor) norm = std::sqrt(norm);
  }
  if (!std::isfinite(total)) *noop = 1;
  return std::sqrt(total);
}

}  // namespace

void multi_tensor_scale(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, float scale) {
  for_each_chunk(chunk, noop, lists, ScaleBody{scale}, [](std::size_t, const ChunkResult&) {});
}

void multi_tensor_axpby(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, float a, float b,
                        AxpbyCheck check) {
  const AxpbyBody body{a, b, check != AxpbyCheck::Y, check != AxpbyCheck::X};
  for_each_chunk(chunk, noop, lists, body, [](std::size_t, const ChunkResult&) {});
}

double multi_tensor_l2norm(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists,
                           std::vector<double>* per_tensor) {
  return norm_of(chunk, noop, lists, NormBody{}, per_tensor);
}

double multi_tensor_unscale_l2norm(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, float scale) {
  return norm_of(chunk, noop, lists, ScaleBody{scale}, nullptr);
}

UpdateNorms multi_tensor_adam(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const AdamArgs& args) {
  PRECIPICE_CHECK(args.step >= 1, "step is ", args.step);
  return update<AdamBody>(chunk, noop, lists, args);
}

UpdateNorms multi_tensor_sgd(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const SgdArgs& args) {
  PRECIPICE_CHECK(noop != nullptr);
  if (*noop != 0) return {};
  return update<SgdBody>(chunk, noop, lists, args);
}

UpdateNorms multi_tensor_lion(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const LionArgs& args) {
  return update<LionBody>(chunk, noop, lists, args);
}

}  // namespace precipice
