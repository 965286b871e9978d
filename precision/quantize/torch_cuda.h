// SPDX-License-Identifier: Apache-2.0
// The C interface of libprecipice_torch_cuda.so: what the program asks of libtorch's CUDA side, which it never links. The
// library links libtorch_cuda and lies beside the program; who opens it (open_torch_cuda.h) brings libtorch_cuda into the
// process. Free of CUDA includes and of torch.
#pragma once

#include <cstddef>

namespace precipice {

// Bytes of a device's memory, by libtorch's allocator.
struct TorchCudaMemory {
  std::size_t in_use = 0, most_in_use = 0;  // by tensors, now and at most
  std::size_t reserved = 0;                 // taken from the driver
};

// Functions throw std::exceptions, c10::Error among them. Those with a device ask the driver.
struct TorchCuda {
  const char* torch_version;  // that the library was built with
  // cuBLAS's own, 13, 1, 0; the driver is not asked.
  void (*cublas_version)(int& major, int& minor, int& patch);
  // This thread's current stream on a device, a cudaStream_t: where ATen queues, and where kernels are to be queued.
  void* (*current_stream)(int device);
  TorchCudaMemory (*memory)(int device);
};

}  // namespace precipice

extern "C" __attribute__((visibility("default"))) const precipice::TorchCuda* precipice_torch_cuda();
