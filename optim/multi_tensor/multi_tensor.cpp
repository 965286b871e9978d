// SPDX-License-Identifier: Apache-2.0
#include "optim/multi_tensor/multi_tensor.h"

#include "optim/multi_tensor/multi_tensor_update.h"

namespace precipice {

const ChunkKernels& chunk_kernels([[maybe_unused]] const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "avx512") return avx512::kChunkKernels;
  if (isa == "avx2") return avx2::kChunkKernels;
#endif
  return generic::kChunkKernels;
}

double multi_tensor_l2norm(const TensorList& x) {
  CpuRunner<> run;
  return norm_over_chunks(run, {x}, NormBody{});
}

double multi_tensor_scale_l2norm(const TensorList& x, float factor) {
  CpuRunner<> run;
  return norm_over_chunks(run, {x}, ScaleBody{factor});
}

double multi_tensor_distance(const TensorList& a, const TensorList& b) {
  CpuRunner<> run;
  return norm_over_chunks(run, {a, b}, DistanceBody{});
}

}  // namespace precipice
