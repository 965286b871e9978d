// SPDX-License-Identifier: Apache-2.0
// A libprecipice_torch_cuda.so with which the program trains where there is no GPU: the test device (tests/support/test_device)
// over libprecipice_cuda_on_cpu.so, which lies beside the program as libprecipice_cuda.so. Numbers are those of a GPU whose
// sums have the CPU's order; times mean nothing, and what names the GPU says "CPU in the place of a GPU". In the environment:
//   PRECIPICE_STAND_IN_MEMORY    bytes of the device's memory in truth, fewer than it says
//   PRECIPICE_STAND_IN_PRODUCTS  "aten": products by ATen, as on a GPU, in its order of sums; else by the CPU's carrier
#include <ATen/core/Tensor.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/matmul.h>
#include <torch/headeronly/version.h>
#include <torch/library.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "precision/cuda/find_cuda.h"
#include "precision/gemm/carrier.h"
#include "precision/quantize/torch_cuda.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/fake_gpu/cuda_hooks.h"
#include "tests/support/paths.h"
#include "tests/support/test_device/aten_backend.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/products.h"
#include "tests/support/test_device/waits.h"

namespace precipice {

// For tests/cuda/kernels_under_test.cpp: the library that the program has opened.
std::string cuda_library() {
  return cuda_library_path();
}
std::string cuda_on_cpu_library() {
  return cuda_library_path();
}

namespace {

using test_device::DeviceMemory;

// ATen's CPU lacks the products of bf16 numbers with fp32 results. From the last k to the first: a GPU's sums have another order
// than the CPU's, and so have these.
at::Tensor product_of_bf16(const at::Tensor& a, const at::Tensor& b, at::ScalarType type) {
  TORCH_CHECK(a.scalar_type() == at::kBFloat16 && b.scalar_type() == at::kBFloat16 && type == at::kFloat);
  return at::matmul(a.to(at::kFloat).flip(-1), b.to(at::kFloat).flip(-2));
}
at::Tensor& multiply_bf16(const at::Tensor& a, const at::Tensor& b, at::ScalarType type, at::Tensor& out) {
  return out.copy_(product_of_bf16(a, b, type));
}

TORCH_LIBRARY_IMPL(aten, CPU, library) {
  library.impl("mm.dtype_out", multiply_bf16);
  library.impl("bmm.dtype_out", multiply_bf16);
  library.impl("mm.dtype", product_of_bf16);
}

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

void no_cublas(int& major, int& minor, int& patch) {
  major = minor = patch = 0;
}

void* current_stream(int /*device*/) {
  return test_device::stream();
}

TorchCudaMemory memory(int /*device*/) {
  const std::size_t now = DeviceMemory::instance().in_use();
  return {now, now, now};
}

void synchronize(int /*device*/) {
  test_device::count_wait("synchronize", false);
  const DeviceMemory::Opened all_is_done;
}

void multiply(const ProductCall& call, void* /*stream*/, void (*on_cpu)(const ProductCall& call, void* stream)) {
  test_device::multiply_there(call, on_cpu);
}

TorchCuda stand_in() {
  test_device::register_backend();
  if (const std::string_view bytes = environment("PRECIPICE_STAND_IN_MEMORY"); !bytes.empty()) {
    cuda_on_cpu::Device device;
    device.memory = std::stoull(std::string(bytes));
    test::on_cpu().control->set_device(device);
  }
  const bool by_aten = environment("PRECIPICE_STAND_IN_PRODUCTS") == "aten";
  return {.torch_version = TORCH_VERSION,
          .device_type = static_cast<int>(c10::DeviceType::PrivateUse1),
          .cublas_version = no_cublas,
          .current_stream = current_stream,
          .memory = memory,
          .synchronize = synchronize,
          .multiply = by_aten ? nullptr : multiply,
          .graphs = &test_device::step_graphs()};
}

}  // namespace
}  // namespace precipice

const precipice::TorchCuda* precipice_torch_cuda() {
  static const precipice::TorchCuda one = precipice::stand_in();
  return &one;
}
