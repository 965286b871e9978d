// SPDX-License-Identifier: Apache-2.0
// Whether this machine has a GPU that libprecipice_cuda.so can use, and its memory.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "precision/cuda/cuda_kernels.h"
#include "precision/cuda/launch_cuda.cuh"

namespace precipice {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Which GPUs are visible may be limited from outside.
std::string visible_devices() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible == nullptr ? "" : std::string("; CUDA_VISIBLE_DEVICES is \"") + visible + "\"";
}

// What is given back to the pool stays there, for the next call: by default a wait would return it to the system.
void keep_pool(int device) {
  cudaMemPool_t pool = nullptr;
  std::uint64_t threshold = ~std::uint64_t{0};
  check_cuda(cudaDeviceGetDefaultMemPool(&pool, device));
  check_cuda(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
}

CudaDevice check_device() {
  CudaDevice found;
  const std::string needed = version_text(CUDART_VERSION);
  if (cudaDriverGetVersion(&found.driver) != cudaSuccess || found.driver == 0)
    throw std::runtime_error("no NVIDIA driver is installed; one for CUDA " + needed + " or later is needed");
  if (found.driver / 1000 < CUDART_VERSION / 1000)
    throw std::runtime_error("the NVIDIA driver is for CUDA " + version_text(found.driver) + "; CUDA " + needed +
                             " is needed");
  int devices = 0, device = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess || devices == 0)
    throw std::runtime_error("no GPU is visible (" + std::string(cudaGetErrorString(status)) + ")" + visible_devices());
  check_cuda(cudaGetDevice(&device));
  check_cuda(cudaDeviceGetAttribute(&found.major, cudaDevAttrComputeCapabilityMajor, device));
  check_cuda(cudaDeviceGetAttribute(&found.minor, cudaDevAttrComputeCapabilityMinor, device));
  if (found.major < 8)
    throw std::runtime_error("the GPU has compute capability " + std::to_string(found.major) + "." +
                             std::to_string(found.minor) + "; 8.0 is needed");
  return found;
}

void describe_device(CudaDevice& found) {
  found = check_device();
  int device = 0;
  cudaDeviceProp properties{};
  check_cuda(cudaGetDevice(&device));
  check_cuda(cudaGetDeviceProperties(&properties, device));
  std::copy_n(properties.name, std::min(std::strlen(properties.name), sizeof(found.name) - 1), found.name);
  check_cuda(cudaMemGetInfo(&found.free_bytes, &found.total_bytes));
}

cudaStream_t as_stream(void* stream) {
  return static_cast<cudaStream_t>(stream);
}

const char* allocate(std::size_t bytes, void* stream, void** memory) {
  return reason_of([&] { check_cuda(cudaMallocAsync(memory, bytes, as_stream(stream))); });
}
const char* release(void* memory, void* stream) {
  return reason_of([&] { check_cuda(cudaFreeAsync(memory, as_stream(stream))); });
}
const char* copy(void* to, const void* from, std::size_t bytes, void* stream) {
  return reason_of([&] { check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, as_stream(stream))); });
}

void copy_and_wait(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, void* stream) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, kind, as_stream(stream)));
  check_cuda(cudaStreamSynchronize(as_stream(stream)));
}
const char* to_device(void* device, const void* host, std::size_t bytes, void* stream) {
  return reason_of([&] { copy_and_wait(device, host, bytes, cudaMemcpyHostToDevice, stream); });
}
const char* to_host(void* host, const void* device, std::size_t bytes, void* stream) {
  return reason_of([&] { copy_and_wait(host, device, bytes, cudaMemcpyDeviceToHost, stream); });
}

constexpr CudaMemory kMemory = {allocate, release, copy, to_device, to_host};

}  // namespace

const char* precipice_open_cuda() {
  return reason_of([] {
    check_device();
    int device = 0;
    check_cuda(cudaGetDevice(&device));
    keep_pool(device);
  });
}

const char* precipice_cuda_device(CudaDevice* device) {
  return reason_of([&] { describe_device(*device); });
}

const CudaMemory* precipice_cuda_memory() {
  return &kMemory;
}

}  // namespace precipice
