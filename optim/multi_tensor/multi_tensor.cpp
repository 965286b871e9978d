// SPDX-License-Identifier: Apache-2.0
// The CPU walk over tensor lists: chunks in order, on the instruction set that the quantizers use. One thread.
#include "optim/multi_tensor/multi_tensor.h"

#include "optim/multi_tensor/multi_tensor_chunks.h"
#include "optim/multi_tensor/multi_tensor_walk.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {

const ChunkKernels& chunk_kernels([[maybe_unused]] const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "avx512") return avx512::kChunkKernels;
  if (isa == "avx2") return avx2::kChunkKernels;
#endif
  return generic::kChunkKernels;
}

namespace {

struct CpuRunner {
  template <class Body, class OnChunk>
  void operator()(std::int64_t chunk, const TensorLists& lists, const Body& body, OnChunk on_chunk) {
    static const ChunkKernels* const kernels = &chunk_kernels(active_isa());
    cut_into_chunks<Body::kLists>(chunk, lists,
                                  [&](std::size_t tensor, float* const(&at)[Body::kLists], std::int64_t size) {
                                    on_chunk(tensor, kernels->run(body, at, size));
                                  });
  }
};

using Ops = MultiTensorOps<CpuRunner>;

template <class Body, class Args>
UpdateNorms compensated_update(const Ops& ops, const TensorLists& lists, const Args& args) {
  return ops.update(lists, KahanBody<Body>{{Body(args)}, {.format = *args.kahan, .overflow = Overflow::Native}});
}

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
  const Ops ops{{}, chunk, noop};
  return args.kahan ? compensated_update<AdamBody>(ops, lists, args) : ops.adam(lists, args);
}

UpdateNorms multi_tensor_sgd(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const SgdArgs& args) {
  const Ops ops{{}, chunk, noop};
  PRECIPICE_CHECK(noop != nullptr);
  return args.kahan && *noop == 0 ? compensated_update<SgdBody>(ops, lists, args) : ops.sgd(lists, args);
}

UpdateNorms multi_tensor_lion(std::int64_t chunk, std::int32_t* noop, const TensorLists& lists, const LionArgs& args) {
  const Ops ops{{}, chunk, noop};
  return args.kahan ? compensated_update<LionBody>(ops, lists, args) : ops.lion(lists, args);
}

}  // namespace precipice
