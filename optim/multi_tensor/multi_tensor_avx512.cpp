// SPDX-License-Identifier: Apache-2.0
// The chunk functions of multi_tensor-inl.h, compiled for AVX-512 (F, BW, DQ, VL); nothing on other CPUs.
#if defined(__x86_64__)

#include "optim/multi_tensor/multi_tensor_chunks.h"

namespace precipice::avx512 {
#include "optim/multi_tensor/multi_tensor-inl.h"

const ChunkKernels kChunkKernels = make_chunk_kernels(static_cast<const ChunkKernels*>(nullptr));

}  // namespace precipice::avx512

#endif
