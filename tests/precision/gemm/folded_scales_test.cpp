// SPDX-License-Identifier: Apache-2.0
// Scales of blocks that are multiplied into the operands, and the scale of a block of zeros. Oracles: the same numbers
// under other scales that give the same products, and sums in double.
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/matmul.h>

#include <utility>

#include "precision/format/format_presets.h"
#include "precision/format/quantum.h"
#include "precision/gemm/gemm.h"
#include "precision/gemm/operand_scales.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

constexpr std::int64_t kBlock = 32, kBlocks = 4;

// Multiples of 2^-3 up to 1/2, which are numbers of E4M3, in blocks of 32, all with the scale 2^-5.
Quantized operand(std::int64_t rows, std::uint64_t seed) {
  Quantized q;
  q.values = random_tensor({rows, kBlock * kBlocks}, seed).clamp(-0.5f, 0.5f).mul(8).round().div(8).to(at::kBFloat16);
  q.scales = at::full({rows, kBlocks}, 0x1p-5f);
  q.block_k = kBlock;
  q.format = kE4m3;
  q.quantum = static_cast<float>(quantum_of(kE4m3));
  q.powers_of_two = true;
  return q;
}

// `value` everywhere in block 1 of row 2, under `scale`.
Quantized with_block(Quantized q, float value, float scale) {
  q.values = q.values.clone(), q.scales = q.scales.clone();
  q.values[2].narrow(0, kBlock, kBlock).fill_(value);
  q.scales[2][1].fill_(scale);
  return q;
}

}  // namespace

TEST_CASE("a block of zeros is multiplied by its scale 2^-127 as other blocks are by theirs, on either side") {
  const Quantized a = operand(5, 1), b = operand(7, 2);
  for (const float zero : {0.0f, -0.0f}) {
    const Quantized zeros = with_block(a, zero, kScaleOfZeros), others = with_block(a, zero, 1.0f);
    const std::optional<Quantized> result = folded(zeros);
    REQUIRE(result);
    CHECK(result->values.scalar_type() == at::kBFloat16);
    CHECK(plan_gemm(zeros, b, {}, {}).plan.kind.way == Way::OneProduct);
    CHECK(same_bits(gemm(zeros, b, {}, {}, {}), gemm(others, b, {}, {}, {})));
    CHECK(same_bits(gemm(b, zeros, {}, {}, {}), gemm(b, others, {}, {}, {})));
  }
}

TEST_CASE("an operand of zeros alone is multiplied in") {
  Quantized a = operand(5, 1);
  a.values = a.values.mul(0.0f), a.scales = at::full_like(a.scales, kScaleOfZeros);
  CHECK(plan_gemm(a, operand(7, 2), {}, {}).plan.kind.way == Way::OneProduct);
  CHECK(gemm(a, operand(7, 2), {}, {}, {}).abs().max().item<float>() == 0.0f);
}

TEST_CASE("another number under the scale 2^-127 is left to the sums of its block") {
  const Quantized a = with_block(operand(5, 1), 0x1p-9f, kScaleOfZeros);
  // So that fp32 holds what the block adds.
  Quantized b = operand(7, 2);
  b.scales = at::full_like(b.scales, 0x1p20f);
  CHECK_FALSE(folded(a));
  CHECK(plan_gemm(a, b, {}, {}).plan.kind.way == Way::ScaledBlocks);
  const at::Tensor exact = at::matmul(dequantized(a).to(at::kDouble), dequantized(b).to(at::kDouble).t());
  // Sums of 128 multiples of 2^-6 below 2^9, times powers of two, are exact; the block of row 2 adds less than half an
  // ulp of most of them, one rounding.
  const at::Tensor error = gemm(a, b, {}, {}, {}).to(at::kDouble).sub(exact).abs();
  CHECK(error.le(exact.abs().mul(0x1p-24)).all().item<bool>());
}
