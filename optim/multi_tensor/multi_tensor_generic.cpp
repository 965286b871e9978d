// SPDX-License-Identifier: Apache-2.0
// The chunk functions of multi_tensor-inl.h, compiled for the baseline of the target CPU.
#include "optim/multi_tensor/multi_tensor_chunks.h"

namespace precipice::generic {
#include "optim/multi_tensor/multi_tensor-inl.h"

const ChunkKernels kChunkKernels = make_chunk_kernels(static_cast<const ChunkKernels*>(nullptr));

}  // namespace precipice::generic
