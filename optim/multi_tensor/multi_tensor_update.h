// SPDX-License-Identifier: Apache-2.0
// The update of weights by a rule (optim/rules/update_rule.h) on the CPU: chunks in order, on the instruction set that
// the quantizers use. One thread.
#pragma once

#include <cstdint>

#include "optim/multi_tensor/multi_tensor_walk.h"
#include "precision/kernels/isa.h"

namespace precipice {

// The chunk functions that were compiled for the CPU's instruction set, for the rules of OptimizerRules.
struct CompiledChunks {
  template <class Body>
  static ChunkResult run(const Body& body, float* const (&list)[Body::kLists], std::int64_t size) {
    static const ChunkKernels* const kernels = &chunk_kernels(active_isa());
    return kernels->run(body, list, size);
  }
};

template <class Chunks = CompiledChunks>
struct CpuRunner {
  template <class Body, class OnChunk>
  void operator()(const TensorLists& lists, const Body& body, OnChunk on_chunk) {
    cut_into_chunks<Body::kLists>(
        lists, [&](float* const(&at)[Body::kLists], std::int64_t size) { on_chunk(Chunks::run(body, at, size)); });
  }
};

// lists {g, p, moments...}, with update.kahan {g, p, moments..., k}. Chunks: CompiledChunks, or for a rule that is not
// in OptimizerRules a type like it whose chunk functions multi_tensor-inl.h made elsewhere.
template <class Rule, class Chunks = CompiledChunks>
UpdateNorms multi_tensor_update(const OptimizerConfig& config, const UpdateArgs& update, const TensorLists& lists) {
  PRECIPICE_CHECK(update.step >= 1, "step is ", update.step);
  CpuRunner<Chunks> run;
  if (update.kahan) return sum_over_chunks(run, lists, KahanBody<Rule>(config, update));
  return sum_over_chunks(run, lists, UpdateBody<Rule>(config, update));
}

}  // namespace precipice
