// SPDX-License-Identifier: Apache-2.0
// A table of sizes, strides and CPUs, and what multiplies there. Nothing is multiplied.
#include "precision/gemm/multiplier.h"

#include "precision/gemm/matrix_product.h"
#include "tests/precision/gemm/matmul_cpus.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

enum class Along : std::uint8_t { Rows, Columns };  // which numbers of an operand lie side by side

Dims strides_of(const Dims& sizes, Along along) {
  Dims strides = sizes;
  std::int64_t next = sizes.from_end(2) * sizes.from_end(1);
  for (std::size_t d = sizes.size() - 2; d-- > 0; next *= sizes[d]) strides[d] = next;
  strides.from_end(1) = along == Along::Rows ? 1 : sizes.from_end(2);
  strides.from_end(2) = along == Along::Rows ? sizes.from_end(1) : 1;
  return strides;
}

// (batch..., m, k) times (batch..., n, k); `batch` 0: none.
CarrierProduct product(bool bf16, std::int64_t batch, std::int64_t m, std::int64_t n, std::int64_t k,
                       Along a = Along::Rows, Along b = Along::Rows) {
  CarrierProduct p;
  p.bf16 = bf16;
  p.a_sizes = batch > 0 ? Dims{batch, m, k} : Dims{m, k}, p.b_sizes = batch > 0 ? Dims{batch, n, k} : Dims{n, k};
  p.a_strides = strides_of(p.a_sizes, a), p.b_strides = strides_of(p.b_sizes, b);
  p.y_strides = strides_of(batch > 0 ? Dims{batch, m, n} : Dims{m, n}, Along::Rows);
  return p;
}

std::string choice(const CarrierProduct& p, const MatmulCpu& cpu, Causal causal = Causal::No,
                   bool may_need_fp32 = false) {
  return to_string(choose_multiplier(p, causal, may_need_fp32, cpu));
}

const float kBias = 0;

}  // namespace

TEST_CASE("a product of two matrices is oneDNN's, in parts of fixed size where its sums are not kept whole") {
  for (const bool bf16 : {false, true}) {
    CHECK(choice(product(bf16, 0, 64, 32, 16), kNewCpu) == "oneDNN");
    CHECK(choice(product(bf16, 0, 64, 32, 16), kAvx512) == "oneDNN");
    CHECK(choice(product(bf16, 0, 64, 32, 16, Along::Columns), kNewCpu) == "oneDNN");
  }
  CHECK(choice(product(false, 0, 64, 32, 16), kAvx2) == "fixed parts");
  CHECK(choice(product(false, 0, 64, 32, 16), kOld) == "fixed parts");
}

TEST_CASE("fp32 operands that both lie along K are an outer product on AVX-512, without bias") {
  CarrierProduct gradient = product(false, 0, 64, 32, 16, Along::Columns, Along::Columns);
  CHECK(choice(gradient, kAvx512) == "outer product");
  CHECK(choice(gradient, kAvx2) == "fixed parts");
  gradient.bias = &kBias;
  CHECK(choice(gradient, kAvx512) == "oneDNN");
  CHECK(choice(product(true, 0, 64, 32, 16, Along::Columns, Along::Columns), kNewCpu) == "oneDNN");
}

TEST_CASE("a batch goes matrix by matrix where there are kernels for its blocks") {
  CHECK(choice(product(false, 6, 64, 32, 15), kNewCpu) == "each matrix");
  CHECK(choice(product(false, 6, 64, 32, 15), kAvx2) == "each matrix");
  CHECK(choice(product(false, 6, 64, 32, 15), kOld) == "fixed parts");
  CHECK(choice(product(true, 6, 64, 32, 16), kNewCpu) == "each matrix");
  CHECK(choice(product(true, 6, 64, 32, 16), kAvx512) == "oneDNN");
  CarrierProduct biased = product(false, 6, 64, 32, 16);
  biased.bias = &kBias;
  CHECK(choice(biased, kNewCpu) == "oneDNN");
}

TEST_CASE("bf16 matrices go by their kernels only where pairs along K are words of memory") {
  CHECK(choice(product(true, 6, 64, 32, 15), kNewCpu) == "oneDNN");
  CHECK(choice(product(true, 6, 63, 31, 16), kNewCpu) == "each matrix");
  // Pairs are joined from two columns, wherever these begin.
  CHECK(choice(product(true, 6, 63, 31, 16, Along::Columns, Along::Columns), kNewCpu) == "each matrix");
  CarrierProduct odd = product(true, 6, 64, 32, 16);
  odd.a_strides[1] = 17;
  CHECK(choice(odd, kNewCpu) == "oneDNN");
  odd.a_sizes[1] = 1;
  CHECK(choice(odd, kNewCpu) == "each matrix");
  CarrierProduct unaligned = product(true, 6, 64, 32, 16);
  alignas(4) const char memory[4]{};
  unaligned.b = memory + 2;
  CHECK(choice(unaligned, kNewCpu) == "oneDNN");
}

TEST_CASE("bf16 matrices of which some may be too small are looked at one by one, or copied to fp32") {
  const CarrierProduct fits = product(true, 6, 64, 32, 16), odd = product(true, 6, 64, 32, 15);
  CHECK(choice(fits, kNewCpu, Causal::FirstPast, true) == "each matrix in range");
  CHECK_FALSE(needs_fp32_copies(fits, true, kNewCpu));
  CHECK(needs_fp32_copies(odd, true, kNewCpu));
  CHECK(needs_fp32_copies(product(true, 0, 64, 32, 16), true, kNewCpu));
  CHECK(needs_fp32_copies(fits, true, kAvx512));
  CHECK_FALSE(needs_fp32_copies(odd, false, kNewCpu));
  CHECK(choice(product(false, 6, 64, 32, 15), kNewCpu, Causal::No, false) == "each matrix");
}

TEST_CASE("a causal product without such kernels goes in parts of what it keeps, if these are 64 long") {
  for (const Causal causal : {Causal::Result, Causal::FirstPast, Causal::FirstAhead}) {
    CHECK(choice(product(true, 6, 128, 32, 128), kAvx512, causal) == "causal parts");
    CHECK(choice(product(true, 6, 127, 32, 127), kAvx512, causal) == "oneDNN");
    CHECK(choice(product(false, 0, 128, 32, 128), kAvx2, causal) == "causal parts");
    CHECK(choice(product(false, 0, 64, 256, 64), kAvx2, causal) == "fixed parts");
    CHECK(choice(product(false, 6, 128, 32, 128), kAvx2, causal) == "each matrix");
  }
  for (const Causal causal : {Causal::SecondPast, Causal::SecondAhead}) {
    CHECK(choice(product(true, 6, 32, 128, 128), kAvx512, causal) == "causal parts");
    CHECK(choice(product(true, 6, 128, 32, 32), kAvx512, causal) == "oneDNN");
  }
  // Not in parts, nor an outer product.
  CHECK(choice(product(false, 0, 64, 64, 64, Along::Columns, Along::Columns), kAvx512, Causal::FirstPast) == "oneDNN");
}

TEST_CASE("causal parts are a quarter of the length, of whole groups of a Hadamard transform and 64 at the least") {
  CHECK(causal_part(128) == 64);
  CHECK(causal_part(256) == 64);
  CHECK(causal_part(300) == 80);
  CHECK(causal_part(1024) == 256);
}

TEST_CASE("this CPU's matmuls are what the carrier and the block kernels say") {
  CHECK(matmul_cpu().bf16_instructions == has_bf16_instructions());
  CHECK(matmul_cpu().avx512 == has_avx512_matmuls());
  CHECK(matmul_cpu().fp32_blocks == has_block_kernels(false));
  CHECK(matmul_cpu().bf16_blocks == has_block_kernels(true));
}
