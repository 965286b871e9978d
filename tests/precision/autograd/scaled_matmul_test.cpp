// SPDX-License-Identifier: Apache-2.0
// Scales of rows and blocks, delayed scales and accumulators in the quantized matmul. Oracle: double sums of grid
// values with their scales, element by element.
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/autograd/quantized_matmul.h"
#include "precision/base/check.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

QuantizerSettings e4m3(ScaleKind kind, Arithmetic arithmetic = Arithmetic::Te) {
  QuantizerSettings q;
  q.format = parse_float_format("e4m3");
  q.kind = kind;
  q.arithmetic = arithmetic;
  return q;
}

QuantizerSettings blocks(std::int64_t across, std::int64_t along, ScaleRule rule = ScaleRule::Amax) {
  QuantizerSettings q = e4m3(ScaleKind::Block);
  q.block_across = across;
  q.block_along = along;
  q.rule = rule;
  return q;
}

// The scale of element (row, k).
double scale_at(const Quantized& q, std::int64_t row, std::int64_t k) {
  if (!q.scales.defined()) return q.scale;
  return q.scales.select(0, row / q.block_rows).select(0, k / q.block_k).item<float>();
}

// sum over k of a b with scales, in double; also the sum of magnitudes, which bounds what fp32 may differ by.
void check_product(const at::Tensor& y, const Quantized& a, const Quantized& b) {
  const at::Tensor va = a.values.contiguous(), vb = b.values.contiguous();
  const std::int64_t rows = va.size(0), cols = vb.size(0), depth = va.size(1);
  for (std::int64_t m = 0; m < rows; ++m)
    for (std::int64_t n = 0; n < cols; ++n) {
      double sum = 0, magnitude = 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        const double term = double{va.const_data_ptr<float>()[m * depth + k]} *
                            vb.const_data_ptr<float>()[n * depth + k] * scale_at(a, m, k) * scale_at(b, n, k);
        sum += term, magnitude += std::fabs(term);
      }
      // Each of `depth` additions and three products rounds once, to half an ulp of at most the sum of magnitudes.
      const double bound = static_cast<double>(depth + 3) * 0x1p-24 * magnitude;
      const double actual = y.const_data_ptr<float>()[m * cols + n];
      if (!(std::fabs(actual - sum) <= bound)) FAIL(m << ", " << n << ": " << actual << " not " << sum);
    }
}

Quantized last(const at::Tensor& x, const QuantizerSettings& q) {
  return quantize(x, q, Contraction::LastAxis, {});
}

}  // namespace

TEST_CASE("scales of rows and blocks act on the sums of their own rows and blocks of K") {
  at::Tensor a = random_tensor({24, 96}, 1), b = random_tensor({20, 96}, 2, 0.05f);
  a.mutable_data_ptr<float>()[5] = 300.0f;  // an outlier that only its own row and block may feel
  QuantizerSettings pow2 = blocks(1, 32);
  pow2.power_of_two = true;
  const std::vector<std::pair<QuantizerSettings, QuantizerSettings>> pairs = {
      {e4m3(ScaleKind::Row), e4m3(ScaleKind::Row)},
      {e4m3(ScaleKind::Row), e4m3(ScaleKind::Tensor)},
      {blocks(1, 32), blocks(16, 32)},
      {blocks(1, 32), e4m3(ScaleKind::Row)},
      {pow2, pow2},
      {blocks(1, 32, ScaleRule::Rceil), blocks(1, 32, ScaleRule::Rceil)},
      {blocks(1, 16), blocks(16, 16)}};
  for (const auto& [qa, qb] : pairs) {
    INFO(to_string(qa.kind) << " " << to_string(qb.kind) << " " << to_string(qa.rule));
    const Quantized xa = last(a, qa), xb = last(b, qb);
    check_product(gemm(xa, xb, {}, {}, {}), xa, xb);
  }
}

TEST_CASE("NVFP4's block scales act on sums too, below its tensor scale") {
  QuantizerSettings q = blocks(1, 16, ScaleRule::Nvfp4);
  q.format = parse_float_format("e2m1");
  const at::Tensor a = random_tensor({16, 64}, 3), b = random_tensor({12, 64}, 4, 1e-3f);
  const Quantized xa = last(a, q), xb = last(b, q);
  // The scale of a block is fl(fl(sf G) fl(1/2688)) where the GEMM has fl(G / 2688) outside: two more roundings a side.
  const at::Tensor y = gemm(xa, xb, {}, {}, {}),
                   wide = at::matmul(dequantized(xa).to(at::kDouble), dequantized(xb).to(at::kDouble).t());
  const at::Tensor bound =
      at::matmul(dequantized(xa).abs().to(at::kDouble), dequantized(xb).abs().to(at::kDouble).t()).mul(75 * 0x1p-24);
  CHECK(y.to(at::kDouble).sub(wide).abs().le(bound).all().item<bool>());
}

TEST_CASE("scales on operands are the product of dequantized operands") {
  const at::Tensor a = random_tensor({16, 64}, 5), b = random_tensor({12, 64}, 6);
  const Quantized xa = last(a, blocks(1, 32)), xb = last(b, blocks(1, 32));
  GemmArithmetic operands;
  operands.scales = ScalesAct::Operands;
  const at::Tensor y = gemm(xa, xb, {}, operands, {});
  check_product(y, xa, xb);
  // Numbers of fp32 have no scales to act anywhere else.
  const QuantizerSettings identity;
  CHECK(same_bits(y, gemm(last(dequantized(xa), identity), last(dequantized(xb), identity), {}, {}, {})));
  // With powers of two both semantics agree.
  const Quantized pa = last(a, blocks(1, 32, ScaleRule::Rceil)), pb = last(b, blocks(1, 32, ScaleRule::Rceil));
  CHECK(same_bits(gemm(pa, pb, {}, operands, {}), gemm(pa, pb, {}, {}, {})));
}

TEST_CASE("an operand is blocked along the contraction of its own GEMM, whichever axis that is") {
  const at::Tensor x = random_tensor({64, 48}, 7);
  for (const QuantizerSettings& q :
       {blocks(1, 16), e4m3(ScaleKind::Row), blocks(16, 16), blocks(1, 32, ScaleRule::Floor)}) {
    const Quantized down = quantize(x, q, Contraction::AxisBefore, {}), turned = last(x.t().contiguous(), q);
    CHECK(same_bits(down.values, turned.values));
    CHECK(same_bits(down.scales, turned.scales));
    CHECK(down.block_k == turned.block_k);
  }
  CHECK(serves_both_contractions(blocks(16, 16)));
  CHECK_FALSE(serves_both_contractions(blocks(1, 16)));
  const Quantized tile = last(x, blocks(16, 16)).transposed(),
                  direct = quantize(x, blocks(16, 16), Contraction::AxisBefore, {});
  CHECK(same_bits(tile.values, direct.values));
  CHECK(same_bits(tile.scales, direct.scales));
}

TEST_CASE("batches of matrices take scales per row and block of their own matrices") {
  const at::Tensor x = random_tensor({2, 3, 8, 32}, 8), w = random_tensor({2, 3, 6, 32}, 9);
  for (const QuantizerSettings& q : {e4m3(ScaleKind::Row), blocks(1, 16)}) {
    const at::Tensor y = gemm(last(x, q), last(w, q), {}, {}, {});
    for (std::int64_t i = 0; i < 2; ++i)
      for (std::int64_t j = 0; j < 3; ++j)
        CHECK(same_bits(y.select(0, i).select(0, j),
                        gemm(last(x.select(0, i).select(0, j), q), last(w.select(0, i).select(0, j), q), {}, {}, {})));
  }
}

TEST_CASE("accumulator fp32 is a plain loop over k with one rounding per product; the default need not be") {
  const at::Tensor a = random_tensor({5, 700}, 1), b = random_tensor({9, 700}, 2);
  Quantized qa, qb;
  qa.values = a, qb.values = b;
  GemmArithmetic arithmetic;
  arithmetic.accumulator = parse_accumulator("fp32");
  const at::Tensor sums = gemm(qa, qb, {}, arithmetic, {});
  const float *const x = a.const_data_ptr<float>(), *const w = b.const_data_ptr<float>();
  int wrong = 0;
  for (int m = 0; m < 5; ++m)
    for (int n = 0; n < 9; ++n) {
      float r = 0;
      for (int k = 0; k < 700; ++k) r = std::fma(x[700 * m + k], w[700 * n + k], r);
      wrong += sums.const_data_ptr<float>()[9 * m + n] != r;
    }
  CHECK(wrong == 0);
  arithmetic.accumulator = parse_accumulator("library");
  const at::Tensor usual = gemm(qa, qb, {}, arithmetic, {});
  for (int i = 0; i < 45; ++i)
    CHECK(usual.const_data_ptr<float>()[i] == Approx(sums.const_data_ptr<float>()[i]).margin(1e-3));
}

TEST_CASE("an emulated accumulator sums as its reference does, with scales and batches") {
  const Accumulator hopper = parse_accumulator("tensor-core:bits=14,group=32,promote=64");
  GemmArithmetic arithmetic;
  arithmetic.accumulator = hopper;
  const at::Tensor a = random_tensor({10, 96}, 10), b = random_tensor({7, 96}, 11);
  for (const QuantizerSettings& q : {e4m3(ScaleKind::Tensor), e4m3(ScaleKind::Row), blocks(1, 32)}) {
    const Quantized xa = last(a, q), xb = last(b, q);
    at::Tensor expected = at::zeros({10, 7});
    EmulatedGemm call;
    call.accumulator = hopper;
    call.m = 10, call.n = 7, call.k = 96;
    const auto operand = [](const Quantized& x) {
      if (!x.scales.defined()) return GemmOperand{x.values.const_data_ptr<float>(), 96, 1, {&x.scale, 1, 0, 0}};
      const std::int64_t grid = x.scales.size(1);
      return GemmOperand{
          x.values.const_data_ptr<float>(), 96, 1, {x.scales.const_data_ptr<float>(), 1, grid, grid > 1 ? 1 : 0}};
    };
    call.a = operand(xa), call.b = operand(xb);
    call.scale_block = q.kind == ScaleKind::Block ? 32 : 0;
    call.out = expected.mutable_data_ptr<float>();
    call.out_stride = 7;
    gemm_reference(call);
    CHECK(same_bits(gemm(xa, xb, {}, arithmetic, {}), expected));
    CHECK_FALSE(same_bits(gemm(xa, xb, {}, {}, {}), expected));
  }
  const at::Tensor batch = random_tensor({3, 10, 96}, 12);
  const Quantized xs = last(batch, e4m3(ScaleKind::None));
  CHECK(same_bits(gemm(xs, xs, {}, arithmetic, {}).select(0, 2),
                  gemm(last(batch.select(0, 2), e4m3(ScaleKind::None)), last(batch.select(0, 2), e4m3(ScaleKind::None)),
                       {}, arithmetic, {})));
}

TEST_CASE("a delayed scale comes from earlier steps, per site and slot, and survives saving") {
  QuantizerSettings q = e4m3(ScaleKind::Tensor);
  q.delayed = DelayedRule{.history = 4};
  const SitePrecision p = SitePrecision::of_tensors(q, q, q, {});
  const at::Tensor x = random_tensor({8, 16}, 13), w = random_tensor({4, 16}, 14);
  ScaleStates states, restored;
  const auto product = [&](ScaleStates& s, std::size_t site, const at::Tensor& input, bool evaluation = false) {
    MatmulSite where{&p, site, 1, 0, evaluation, nullptr, &s};
    return quantized_linear(input, w, {}, where);
  };
  const at::Tensor first = product(states, 0, x);
  // Scale 1 in the first step.
  QuantizerSettings unscaled = e4m3(ScaleKind::None);
  CHECK(same_bits(first, gemm(last(x, unscaled), last(w, unscaled), {}, {}, {})));
  product(states, 0, x.mul(1000.0f), true);  // evaluation looks, and leaves no trace
  states.end_step();
  // Then what the first step's amax gives.
  const at::Tensor second = product(states, 0, x.mul(3.0f));
  QuantizerSettings fixed = e4m3(ScaleKind::Fixed), fixed_w = fixed;
  fixed.fixed = 448.0f / amax_of(x), fixed_w.fixed = 448.0f / amax_of(w);
  CHECK(same_bits(second, gemm(last(x.mul(3.0f), fixed), last(w, fixed_w), {}, {}, {})));
  CHECK(same_bits(product(states, 1, x), first));  // another site is at its own beginning
  states.end_step();
  for (const auto& [name, values] : states.save()) {
    CHECK(ScaleStates::is_saved_name(name));
    restored.restore(name, values);
  }
  CHECK(same_bits(product(restored, 0, x), product(states, 0, x)));
  CHECK(states.save() == restored.save());
  CHECK_THROWS_AS(restored.restore("scale.0.x", {1, 0, 0}), DataError);
  CHECK_FALSE(ScaleStates::is_saved_name("scale.p.weight"));
}
