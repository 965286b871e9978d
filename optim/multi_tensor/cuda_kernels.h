// SPDX-License-Identifier: Apache-2.0
// The C interface of libprecipice_cuda.so for the multi-tensor kernels, after the manner of
// precision/cuda/cuda_kernels.h. Spans are device memory; `noop` and results are on the host. Arguments, flags and sums
// are those of multi_tensor.h.
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
  std::int64_t chunk;
  std::int32_t* noop;
  SpanTable table;
  Launch launch;  // of the pass over the elements
};

struct CudaMultiTensorKernels {
  const char* (*scale)(const CudaMultiTensorCall& call, float factor);
  const char* (*axpby)(const CudaMultiTensorCall& call, float a, float b, AxpbyCheck check);
  // per_tensor: [tensors], or null.
  const char* (*l2norm)(const CudaMultiTensorCall& call, double& norm, double* per_tensor);
  const char* (*unscale_l2norm)(const CudaMultiTensorCall& call, float factor, double& norm);
  const char* (*adam)(const CudaMultiTensorCall& call, const AdamArgs& args, UpdateNorms& norms);
  const char* (*sgd)(const CudaMultiTensorCall& call, const SgdArgs& args, UpdateNorms& norms);
};

PRECIPICE_EXPORT const CudaMultiTensorKernels* precipice_cuda_multi_tensor_kernels();

}  // namespace precipice
