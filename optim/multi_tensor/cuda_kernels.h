// SPDX-License-Identifier: Apache-2.0
// The C interface of libprecipice_cuda.so for the multi-tensor kernels, after the manner of
// precision/cuda/cuda_kernels.h. Spans are device memory; bodies and results are on the host. Results are those of
// multi_tensor.h and multi_tensor_update.h.
#pragma once

#include <cstdint>

#include "optim/multi_tensor/multi_tensor.h"
#include "precision/cuda/cuda_kernels.h"

namespace precipice {

struct SpanTable {
  const FloatSpan* spans;  // [lists][tensors]
  std::int64_t lists;
  std::int64_t tensors;
};

struct CudaMultiTensorCall {
  SpanTable table;
  Launch launch;  // of the pass over the elements
};

struct CudaMultiTensorKernels {
  const char* (*l2norm)(const CudaMultiTensorCall& call, double& norm);
  const char* (*scale_l2norm)(const CudaMultiTensorCall& call, float factor, double& norm);
  const char* (*distance)(const CudaMultiTensorCall& call, double& norm);
  // rule: place in OptimizerRules; body: the UpdateBody of that rule, made without UpdateArgs::kahan.
  const char* (*update)(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms& norms);
  // The same of weights that are kept with compensation: the rule's KahanElement (kahan_element.h), lists {..., k}.
  const char* (*update_kahan)(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms& norms);
};

PRECIPICE_EXPORT const CudaMultiTensorKernels* precipice_cuda_multi_tensor_kernels();

}  // namespace precipice
