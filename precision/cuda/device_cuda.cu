// SPDX-License-Identifier: Apache-2.0
// Whether this machine has a GPU that libprecipice_cuda.so can use, and its memory.
#include <stdexcept>
#include <string>

#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/launch_cuda.cuh"

namespace precipice {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

void check_device() {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
    throw std::runtime_error("no NVIDIA driver is installed");
  if (driver / 1000 < CUDART_VERSION / 1000)
    throw std::runtime_error("the NVIDIA driver is for CUDA " + version_text(driver) + "; CUDA " +
                             version_text(CUDART_VERSION) + " is needed");
  int devices = 0;
  check_cuda(cudaGetDeviceCount(&devices));
  int device = 0, major = 0, minor = 0;
  check_cuda(cudaGetDevice(&device));
  check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  if (major < 8)
    throw std::runtime_error("the GPU has compute capability " + std::to_string(major) + "." + std::to_string(minor) +
                             "; 8.0 is needed");
}

const char* allocate(std::size_t bytes, void** memory) {
  return reason_of([&] { check_cuda(cudaMalloc(memory, bytes)); });
}
const char* release(void* memory) {
  return reason_of([&] { check_cuda(cudaFree(memory)); });
}
const char* to_device(void* device, const void* host, std::size_t bytes) {
  return reason_of([&] { check_cuda(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice)); });
}
const char* to_host(void* host, const void* device, std::size_t bytes) {
  return reason_of([&] { check_cuda(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost)); });
}

constexpr CudaMemory kMemory = {allocate, release, to_device, to_host};

}  // namespace

const char* precipice_open_cuda() {
  return reason_of(check_device);
}

const CudaMemory* precipice_cuda_memory() {
  return &kMemory;
}

}  // namespace precipice
