// SPDX-License-Identifier: Apache-2.0
// The C interface of libprecipice_torch_cuda.so: what the program asks of libtorch's CUDA side, which it never links. The
// library links libtorch_cuda and lies beside the program; who opens it (open_torch_cuda.h) brings libtorch_cuda into the
// process. Free of CUDA includes and of torch.
// A library that is built for tests plays its part on machines without a GPU (tests/support/stand_in): its fields say what it is.
#pragma once

#include <cstddef>

#include "precision/quantize/step_graphs.h"

namespace precipice {

struct ProductCall;  // precision/quantize/machine.h

// Bytes of a device's memory, by libtorch's allocator.
struct TorchCudaMemory {
  std::size_t in_use = 0, most_in_use = 0;  // by tensors, now and at most
  std::size_t reserved = 0;                 // taken from the driver
};

// Functions throw std::exceptions, c10::Error among them. Those with a device ask the driver.
struct TorchCuda {
  const char* torch_version;  // that the library was built with
  int device_type;            // c10::DeviceType of the tensors that lie in its memory: CUDA's
  // cuBLAS's own, 13, 1, 0; the driver is not asked.
  void (*cublas_version)(int& major, int& minor, int& patch);
  // This thread's current stream on a device, a cudaStream_t: where ATen queues, and where kernels are to be queued.
  void* (*current_stream)(int device);
  TorchCudaMemory (*memory)(int device);
  // Waits for what was queued on this thread's current stream.
  void (*synchronize)(int device);
  // The product of matrices, queued; null where ATen makes it (precision/gemm/aten_product.h). `on_cpu`: the CPU's, for memory that
  // the CPU can read.
  void (*multiply)(const ProductCall& call, void* stream, void (*on_cpu)(const ProductCall& call, void* stream));
  // Of this thread's current stream on the first device.
  const StepGraphs* graphs;
};

}  // namespace precipice

extern "C" __attribute__((visibility("default"))) const precipice::TorchCuda* precipice_torch_cuda();
