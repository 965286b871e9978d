// SPDX-License-Identifier: Apache-2.0
#include "optim/multi_tensor/multi_tensor.h"

#include "optim/multi_tensor/multi_tensor_update.h"
#include "precision/kernels/isa.h"

namespace precipice {

const ChunkKernels& chunk_kernels(const std::string& isa) {
  static constexpr KernelsByIsa<ChunkKernels> kAll = PRECIPICE_KERNELS_BY_ISA(kChunkKernels);
  return kernels_of(kAll, isa);
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
