// SPDX-License-Identifier: Apache-2.0
// A chunk of the multi-tensor kernels: how its sums are made, and the CPU's functions for it, compiled once per
// instruction set from multi_tensor-inl.h. Sums are in double and in one fixed order, whatever runs them: element i of
// a block adds to partial sum i % kLanes, the partial sums of a block are combined in a fixed order, and blocks are
// added in order; so vectors may have any width, and a GPU any number of threads, and the bits are the same.
#pragma once

#include <cstdint>
#include <string>

#include "optim/multi_tensor/multi_tensor_functors.h"
#include "optim/rules/optimizer_rules.h"
#include "precision/base/host_device.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_kernels.h"

namespace precipice {

inline constexpr std::int64_t kBlock = 1024;  // elements whose sums are made in lanes
inline constexpr std::int64_t kLanes = 8;
static_assert(kBlock % kLanes == 0);

struct ChunkResult {
  double squares[2];
};

template <class Lanes>
PRECIPICE_HD double sum_of_lanes(const Lanes& lane) {
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

// Kahan 1965 as in Zamirai et al. arXiv 2010.06192 and in optimi; but decay is part of the compensated update, where
// optimi multiplies the kept weight by what decay leaves and so loses a decay of less than half an ulp.
template <class Rule>
struct KahanBody {  // {UpdateBody's lists..., k}
  static constexpr int kLists = UpdateBody<Rule>::kLists + 1, kMeasures = 2;
  ChangeBody<Rule> change;
  ElementQuantizer spec;

  KahanBody(const OptimizerConfig& config, const UpdateArgs& update)
      : change{{config, update}}, spec{.format = *update.kahan, .overflow = Overflow::Native} {}
};

// Runs a body over the `size` elements from list[d] on.
template <class Body>
struct ChunkKernel {
  ChunkResult (*run)(const Body& body, float* const (&list)[Body::kLists], std::int64_t size);
};
template <class... Bodies>
struct ChunkKernelsOf : ChunkKernel<Bodies>... {
  template <class Body>
  ChunkResult run(const Body& body, float* const (&list)[Body::kLists], std::int64_t size) const {
    return ChunkKernel<Body>::run(body, list, size);
  }
};
template <class... Rules>
ChunkKernelsOf<ScaleBody, NormBody, DistanceBody, UpdateBody<Rules>..., KahanBody<Rules>...> chunk_kernels_of(
    RuleList<Rules...>);
using ChunkKernels = decltype(chunk_kernels_of(OptimizerRules{}));

namespace generic {
extern const ChunkKernels kChunkKernels;
}
namespace avx2 {
extern const ChunkKernels kChunkKernels;
}
namespace avx512 {
extern const ChunkKernels kChunkKernels;
}

// Of an instruction set by its name (kernels_of in precision/kernels/isa.h).
const ChunkKernels& chunk_kernels(const std::string& isa);

}  // namespace precipice
