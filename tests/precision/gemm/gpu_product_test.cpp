// SPDX-License-Identifier: Apache-2.0
// The product by ATen on a GPU, by cuBLAS: of whole numbers, whose sums are exact in any order, of subnormal bf16 numbers, and
// twice. Oracle: the product in double.
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <vector>

#include "precision/cuda/find_cuda.h"
#include "precision/gemm/aten_product.h"
#include "precision/quantize/open_torch_cuda.h"
#include "tests/precision/gemm/product_calls.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;
using test::kOrders;
using test::laid_out;
using test::Order;

namespace {

// Nothing, and says so, where there is no GPU.
std::optional<at::Device> gpu_of_products() {
  static const TorchCudaFinding opened = [] {
    TorchCudaFinding finding;
    const CudaFinding gpu = find_cuda(cuda_library());
    finding.problem = gpu.problem;
    if (!gpu.usable()) return finding;
    return open_torch_cuda((std::filesystem::path(cuda_library()).parent_path() / kTorchCudaLibrary).string());
  }();
  if (opened.usable()) return at::Device(static_cast<c10::DeviceType>(opened.torch->device_type), 0);
  WARN("skipped: " << opened.problem);
  return std::nullopt;
}

at::Tensor multiplied_there(const at::Tensor& a, const at::Tensor& b, at::Device gpu, const Factor& scale = {}) {
  std::vector<std::int64_t> sizes = a.sizes().vec();
  sizes.back() = b.size(-2);
  const at::Tensor x = a.to(gpu), w = b.to(gpu);
  const at::Tensor y = at::full(sizes, std::numeric_limits<float>::quiet_NaN(), at::TensorOptions(at::kFloat)).to(gpu);
  CarrierProduct product = test::product_of(x, w, y);
  product.scale = scale.known;
  multiply_by_aten(test::call_of(product, Causal::No, scale), gpu);
  return y.cpu();
}

at::Tensor exact_product(const at::Tensor& a, const at::Tensor& b) {
  return at::matmul(a.to(at::kDouble), b.to(at::kDouble).transpose(-2, -1));
}

}  // namespace

TEST_CASE("on the GPU, products of whole numbers are exact in every shape, layout, batch and type", "[.cuda]") {
  const auto gpu = gpu_of_products();
  if (!gpu) return;
  const std::vector<std::vector<std::int64_t>> batches = {{}, {3}, {2, 3}, {2, 1, 3}};
  const std::int64_t sizes[][3] = {{1, 1, 2}, {1, 6, 8}, {6, 2, 4}, {48, 64, 96}, {130, 257, 72}};
  std::size_t products = 0;
  for (const auto& batch : batches)
    for (const auto& [m, n, k] : sizes)
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const Order of_a = kOrders[products % 3], of_b = kOrders[products / 3 % 3];
        CAPTURE(batch, m, n, k, static_cast<int>(of_a), static_cast<int>(of_b), c10::toString(type));
        std::vector<std::int64_t> a_sizes = batch, b_sizes = batch;
        a_sizes.insert(a_sizes.end(), {m, k}), b_sizes.insert(b_sizes.end(), {n, k});
        const at::Tensor a = laid_out(a_sizes, of_a, products).to(type),
                         b = laid_out(b_sizes, of_b, products + 1).to(type);
        CHECK(multiplied_there(a, b, *gpu, Factor(0.25f)).to(at::kDouble).equal(exact_product(a, b).mul(0.25)));
        ++products;
      }
  CHECK(products == 40);
}

TEST_CASE("on the GPU, bf16 numbers that are subnormal are multiplied as they are", "[.cuda]") {
  const auto gpu = gpu_of_products();
  if (!gpu) return;
  // k 2^-133, and powers of two: each product is a normal number of binary32, and the only one of its sum that is not zero.
  const at::Tensor small = at::arange(1, 128, at::TensorOptions(at::kFloat)).mul(std::ldexp(1.0, -133));
  const at::Tensor a = at::full({127, 16}, 0.0, at::TensorOptions(at::kFloat)),
                   b = at::full({16, 16}, 0.0, a.options());
  a.select(1, 3).copy_(small);
  b.select(1, 3).fill_(1024.0);
  CHECK(multiplied_there(a.to(at::kBFloat16), b.to(at::kBFloat16), *gpu).to(at::kDouble).equal(exact_product(a, b)));
  CHECK(exact_product(a, b).abs().min().item<double>() == std::ldexp(1.0, -123));
}

TEST_CASE("on the GPU, the same product has the same bytes each time", "[.cuda]") {
  const auto gpu = gpu_of_products();
  if (!gpu) return;
  const at::Tensor a = test::random_tensor({4, 192, 320}, 1), b = test::random_tensor({4, 256, 320}, 2);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor first = multiplied_there(a.to(type), b.to(type), *gpu);
    for (int again = 0; again < 3; ++again)
      CHECK(test::same_bits(first, multiplied_there(a.to(type), b.to(type), *gpu)));
  }
}
