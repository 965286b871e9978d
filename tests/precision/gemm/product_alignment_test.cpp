// SPDX-License-Identifier: Apache-2.0
// Sums do not depend on where in memory their operands lie: allocators put the same tensor elsewhere in each process,
// and a run must give the same bits again. (libtorch's gemm for CPUs without AVX2 adds in an order that follows the
// alignment.) tests/precision/gemm/onednn_test.cpp runs the hidden case on every instruction set.
#include <ATen/ops/empty.h>

#include <string>
#include <vector>

#include "precision/gemm/gemm.h"
#include "precision/gemm/matrix_product.h"
#include "precision/gemm/onednn.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

// A copy that begins `offset` numbers after the beginning of its memory, which is aligned to 64 bytes.
at::Tensor copy_at(const at::Tensor& x, std::int64_t offset) {
  const at::Tensor memory = at::empty({x.numel() + offset}, x.options());
  return memory.narrow(0, offset, x.numel()).view(x.sizes()).copy_(x);
}

Quantized plain(const at::Tensor& values) {
  Quantized q;
  q.values = values;
  q.quantum = 1.0f;
  return q;
}

// The bits of a b^T with the operands at `offset`.
at::Tensor product_at(const at::Tensor& a, const at::Tensor& b, std::int64_t offset) {
  return gemm(plain(copy_at(a, offset)), plain(copy_at(b, offset)), {}, {}, {});
}

void check_offsets(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor first = product_at(a, b, 0);
  // Even ones, as bf16 numbers go in pairs.
  for (const std::int64_t offset : {2, 4, 6, 10}) {
    CAPTURE(offset, a.scalar_type(), a.dim());
    CHECK(same_bits(product_at(a, b, offset), first));
  }
}

}  // namespace

TEST_CASE("sums on this instruction set are the same wherever in memory the operands lie", "[.walk]") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    if (type == at::kBFloat16 && !can_multiply_bf16()) continue;
    for (const std::int64_t m : {1, 5, 32, 130})
      for (const std::int64_t n : {1, 20, 64})
        for (const std::int64_t k : {2, 20, 64, 300}) {
          CAPTURE(m, n, k);
          const auto numbers = [&](std::vector<std::int64_t> shape, std::uint64_t seed) {
            return random_tensor(std::move(shape), seed).to(type);
          };
          check_offsets(numbers({m, k}, 1), numbers({n, k}, 2));
          check_offsets(numbers({2, 3, m, k}, 3), numbers({2, 3, n, k}, 4));
        }
  }
}

TEST_CASE("blocks are multiplied by libtorch's kernels only where matmuls have AVX2, below which they fall back") {
  const std::string isa = onednn_isa();
  CHECK(has_avx2_matmuls() == (isa.rfind("avx2", 0) == 0 || isa.rfind("avx512", 0) == 0));
  CHECK(has_block_kernels(false) == has_avx2_matmuls());
}
