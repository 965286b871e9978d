// SPDX-License-Identifier: Apache-2.0
// What an open CUDA library does for an optimizer (optimizer_machine.h): memory of the device's pool, and the multi-tensor
// kernels on it. Everything is queued on the stream that `current_stream` gives; read() alone waits for it.
#pragma once

#include "optim/multi_tensor/cuda_kernels.h"
#include "optim/optimizer_machine.h"
#include "precision/cuda/cuda_library.h"

namespace precipice {

// One for each process, as cuda_machine(). Throws Error where the library has no multi-tensor kernels; its functions throw
// Error with the library's reason, and update() ConfigError for an optimizer that is none of OptimizerRules.
const OptimizerMachine& cuda_optimizer_machine(const CudaLibrary& library, void* (*current_stream)());

// store() of arrays in device memory, as the library takes it.
CudaStoreCall cuda_store_call(FloatSpan values, const StoredFormat& stored, FloatSpan scales, const RandomKey& key);

}  // namespace precipice
