// SPDX-License-Identifier: Apache-2.0
// The C interface of libprecipice_cuda.so for the multi-tensor kernels, after the manner of
// precision/cuda/cuda_kernels.h. Spans are device memory; their table and bodies are on the host, and go with the launches,
// as parameters. Results are those of multi_tensor.h, multi_tensor_update.h and store.h.
#pragma once

#include <cstdint>

#include "optim/multi_tensor/multi_tensor.h"
#include "optim/multi_tensor/update_gate.h"
#include "precision/cuda/cuda_kernels.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {

struct SpanTable {
  const FloatSpan* spans;  // [lists][tensors]
  std::int64_t lists;
  std::int64_t tensors;
};

struct CudaMultiTensorCall {
  SpanTable table;
  Launch launch;                     // of the pass over the elements
  const UpdateGate* gate = nullptr;  // of an update, device memory; null: its own grad_scale
  const void* body_at = nullptr;  // device memory, read when the launch runs, in place of the body given here, or null
};

// How an array is kept (optim/store.h), a StoredFormat as plain data.
struct CudaStoreCall {
  FloatSpan values, scales;
  QuantizeCall round;   // without arrays and scale
  bool scaled = false;  // else scales are none
  bool ms_amp = false;  // its rule, or TransformerEngine's current one
  bool power_of_two = false;
  float max_finite = 0;    // of the format
  std::int64_t block = 0;  // elements to a scale
  const UpdateGate* gate = nullptr;
};

// Results are device memory; nothing waits.
struct CudaMultiTensorKernels {
  const char* (*l2norm)(const CudaMultiTensorCall& call, double* norm);
  const char* (*scale_l2norm)(const CudaMultiTensorCall& call, float factor, double* norm);  // body_at: of the factor
  const char* (*distance)(const CudaMultiTensorCall& call, double* norm);
  // rule: place in OptimizerRules; body: the UpdateBody of that rule, made without UpdateArgs::kahan.
  const char* (*update)(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms* norms);
  // The same of weights that are kept with compensation: the rule's KahanElement (kahan_element.h), lists {..., k}.
  const char* (*update_kahan)(const CudaMultiTensorCall& call, int rule, const void* body, UpdateNorms* norms);
  const char* (*fill)(FloatSpan values, float value, Launch launch);
  const char* (*store)(const CudaStoreCall& call, Launch launch);
  const char* (*decide)(const UpdateDecision& decision, UpdateGate* gate, Launch launch);
};

PRECIPICE_EXPORT const CudaMultiTensorKernels* precipice_cuda_multi_tensor_kernels();

}  // namespace precipice
