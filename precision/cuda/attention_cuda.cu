// SPDX-License-Identifier: Apache-2.0
// Attention without weights in memory on the GPU: the launches of attention_kernels_cuda.cuh.
#include <algorithm>
#include <cstdint>

#include "precision/base/check.h"
#include "precision/cuda/attention_kernels_cuda.cuh"
#include "precision/cuda/cuda_kernels.h"

namespace precipice {
namespace {

void check_shape(const AttentionShape& shape) {
  PRECIPICE_CHECK(std::min({shape.batch, shape.length, shape.heads, shape.groups, shape.depth}) > 0,
                  "attention of nothing");
  PRECIPICE_CHECK(shape.depth <= kAttentionDepth, "heads of ", shape.depth, " numbers; there is room for ",
                  kAttentionDepth);
  PRECIPICE_CHECK(shape.heads % shape.groups == 0, shape.groups, " key heads do not divide ", shape.heads);
}

void check_rounding(const NumberRounding& rounding, bool draws_words) {
  if (!rounding.rounds) return;
  PRECIPICE_CHECK(
      rounds_in_attention(rounding.call.rounding) && (draws_words || !is_stochastic(rounding.call.rounding)),
      "a rounding that attention does not do");
  PRECIPICE_CHECK(rounding.call.scale == 1.0f && rounding.call.multipliers == nullptr, "weights with scales");
}

template <class Products, class Body>
void start_tiles(Launch wanted, std::int64_t heads, std::int64_t length, void (*kernel)(Body), const Body& body) {
  const std::int64_t blocks = heads * tiles_of<Products>(length);
  start({static_cast<int>(blocks), kAttentionThreads, wanted.stream}, kernel, body);
}

AttentionLargest largest_of(DeviceMachine& machine, float* amax, bool is_last) {
  return {{amax == nullptr ? nullptr : machine.sums<Largest>(), amax}, is_last};
}

template <class Products>
void start_forward(const AttentionForward& call, Launch launch) {
  DeviceMachine machine(launch);
  const ForwardLaunch body{call, largest_of(machine, call.amax, true)};
  start_tiles<Products>(launch, call.shape.batch * call.shape.heads, call.shape.length, attention_forward<Products>,
                        body);
}

template <class Products>
void start_backward(const AttentionBackward& call, Launch launch) {
  const AttentionShape& shape = call.shape;
  DeviceMachine machine(launch);
  BackwardLaunch body{call, machine.unwritten<float>(shape.batch * shape.heads * shape.length),
                      largest_of(machine, call.amax, false)};
  start_tiles<Products>(launch, shape.batch * shape.heads, shape.length, attention_query_gradients<Products>, body);
  body.largest.is_last = true;
  start_tiles<Products>(launch, shape.batch * shape.groups, shape.length, attention_key_gradients<Products>, body);
}

const char* forward(const AttentionForward& call, Launch launch) {
  return reason_of([&] {
    check_shape(call.shape);
    check_rounding(call.to_weights, true);
    for (const NumberRounding* rounding : {&call.to_scores, &call.to_output}) check_rounding(*rounding, false);
    call.on_bf16 ? start_forward<MatrixProducts>(call, launch) : start_forward<OrderedProducts>(call, launch);
  });
}

const char* backward(const AttentionBackward& call, Launch launch) {
  return reason_of([&] {
    check_shape(call.shape);
    for (const NumberRounding* rounding : {&call.to_weights, &call.to_query_side, &call.to_key_side})
      check_rounding(*rounding, true);
    for (const NumberRounding* rounding : {&call.to_scores, &call.to_upstream, &call.to_dq, &call.to_dk, &call.to_dv})
      check_rounding(*rounding, false);
    call.on_bf16 ? start_backward<MatrixProducts>(call, launch) : start_backward<OrderedProducts>(call, launch);
  });
}

}  // namespace

const CudaAttentionKernels* precipice_cuda_attention_kernels() {
  static constexpr CudaAttentionKernels kKernels = {forward, backward};
  return &kKernels;
}

}  // namespace precipice
