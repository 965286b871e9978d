// SPDX-License-Identifier: Apache-2.0
// libprecipice_torch_cuda.so (torch_cuda.h). Compiled by the C++ compiler with the headers of libtorch and of the CUDA
// run-time library: no nvcc.
#include "precision/quantize/torch_cuda.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceType.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/headeronly/version.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <utility>

// cuBLAS's, whose headers the CPU's set-up lacks (library_types.h and cublas_api.h): libtorch_cuda brings the library.
extern "C" int cublasGetProperty(int property, int* value);

namespace precipice {
namespace {

void cublas_version(int& major, int& minor, int& patch) {
  int* const parts[] = {&major, &minor, &patch};  // MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL
  for (int part = 0; part < 3; ++part)
    if (cublasGetProperty(part, parts[part]) != 0) throw std::runtime_error("cuBLAS does not say its version");
}

void* current_stream(int device) {
  return c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).stream();
}

TorchCudaMemory memory(int device) {
  using c10::CachingAllocator::StatType;
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
  constexpr auto kAll = static_cast<std::size_t>(StatType::AGGREGATE);
  return {static_cast<std::size_t>(stats.allocated_bytes[kAll].current),
          static_cast<std::size_t>(stats.allocated_bytes[kAll].peak),
          static_cast<std::size_t>(stats.reserved_bytes[kAll].current)};
}

void synchronize(int device) {
  c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).synchronize();
}

// A graph and the pool of memory that is its own: that of others would be theirs again between two replays.
struct GraphWithPool {
  at::cuda::CUDAGraph graph;
  decltype(at::cuda::graph_pool_handle()) pool = at::cuda::graph_pool_handle();
};

thread_local std::unique_ptr<GraphWithPool> under_way;

// Relaxed: runs that share the process allocate meanwhile, and autograd's thread queues to the stream too.
void begin_graph() {
  under_way = std::make_unique<GraphWithPool>();
  under_way->graph.capture_begin(under_way->pool, cudaStreamCaptureModeRelaxed);
}

void* end_graph() {
  under_way->graph.capture_end();
  return under_way.release();
}

// Where the capture was broken, capture_end() says so before it has told the allocator.
void abandon_graph() {
  const std::unique_ptr<GraphWithPool> broken = std::move(under_way);
  if (broken == nullptr) return;
  try {
    broken->graph.capture_end();
  } catch (const std::exception&) {
    const auto device = c10::cuda::getCurrentCUDAStream().device_index();
    c10::cuda::CUDACachingAllocator::endAllocateToPool(device, broken->pool);
    c10::cuda::CUDACachingAllocator::releasePool(device, broken->pool);
    C10_CUDA_CLEAR_ERROR();
  }
}

void replay_graph(void* graph) {
  static_cast<GraphWithPool*>(graph)->graph.replay();
}

void release_graph(void* graph) {
  delete static_cast<GraphWithPool*>(graph);
}

constexpr StepGraphs kGraphs{begin_graph, end_graph, abandon_graph, replay_graph, release_graph};

constexpr TorchCuda kTorchCuda{.torch_version = TORCH_VERSION,
                               .device_type = static_cast<int>(c10::DeviceType::CUDA),
                               .cublas_version = cublas_version,
                               .current_stream = current_stream,
                               .memory = memory,
                               .synchronize = synchronize,
                               .multiply = nullptr,
                               .graphs = &kGraphs};

}  // namespace
}  // namespace precipice

const precipice::TorchCuda* precipice_torch_cuda() {
  return &precipice::kTorchCuda;
}
