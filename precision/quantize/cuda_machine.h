// SPDX-License-Identifier: Apache-2.0
// The machine (machine.h) that an open CUDA library makes: each function queues the library's launches on the stream, on
// arrays where they lie, and nothing waits but amax(). Free of torch: what knows it gives the stream and the product.
#pragma once

#include "precision/cuda/cuda_library.h"
#include "precision/quantize/machine.h"

namespace precipice {

// What the library does not have.
struct CudaHost {
  Stream (*current_stream)();
  void (*multiply)(const ProductCall& call, Stream stream);  // queues, as the others
  bool has_free_sums = true;                                 // Machine's
  const StepGraphs* graphs = nullptr;                        // Machine's
};

// Opens the GPU. One for each process: a second call with another library or host changes what the first one gave. Its functions throw
// Error with the library's reason where work could not be queued or, from amax(), what went wrong before; so does this
// one where there is no GPU.
const Machine& cuda_machine(const CudaLibrary& library, const CudaHost& host);

}  // namespace precipice
