// SPDX-License-Identifier: Apache-2.0
// Oracles: all codes for what fits bf16, products in double for sums, and the fp32 carrier for tensors that bf16
// instructions would flush.
#include "precision/gemm/carrier.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "precision/autograd/quantized_matmul.h"
#include "precision/format/format_codes.h"
#include "precision/gemm/gemm.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

QuantizerSettings unscaled_operand(const std::string& format) {
  QuantizerSettings q;
  q.format = parse_float_format(format);
  q.overflow = Overflow::Native;
  return q;
}

Quantized last(const at::Tensor& x, const QuantizerSettings& q, bool as_bf16) {
  return quantize(x, q, Contraction::LastAxis, {}, {}, {as_bf16});
}

// Bits, but for the sign of a zero: a sum that begins with +0 has no -0.
bool same_numbers(const at::Tensor& a, const at::Tensor& b) {
  return same_bits(a.add(0.0f), b.add(0.0f));
}

at::Tensor whole(at::IntArrayRef shape, std::uint64_t seed) {
  return random_tensor(shape.vec(), seed).mul(8).round();
}

// The same numbers in the same places of memory.
Quantized in_bf16(const Quantized& q) {
  const at::Tensor& x = q.values;
  Quantized packed;
  packed.values =
      at::zeros({x.size(0), x.size(1), x.stride(1)}, at::kBFloat16).narrow(-1, x.storage_offset(), x.size(2));
  packed.values.copy_(x);
  return packed;
}

// The sums in double, and the sum of magnitudes that bounds what another order can give: K additions, each off by half
// an ulp of a partial sum at most.
void check_sums(const at::Tensor& y, const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kDouble), w = b.to(at::kDouble).transpose(-2, -1);
  const at::Tensor error = y.to(at::kDouble).sub(at::matmul(x, w)).abs();
  const at::Tensor bound = at::matmul(x.abs(), w.abs()).mul(static_cast<double>(a.size(-1)) * 0x1p-24);
  CHECK(error.le(bound).all().item<bool>());
}

}  // namespace

TEST_CASE("a format fits bf16 exactly when each of its values is a bf16 number") {
  int fitting = 0;
  for (const auto& preset : preset_formats()) {
    if (preset.format.bits() > 16) continue;
    bool fits = true;
    for (std::uint32_t code = 0; code < (1u << preset.format.bits()); ++code) {
      const float value = decode(preset.format, code);
      if (std::isfinite(value)) fits &= (__builtin_bit_cast(std::uint32_t, value) & 0xFFFFu) == 0;
    }
    INFO(preset.name);
    CHECK(fits_bf16(preset.format) == fits);
    fitting += fits;
  }
  CHECK(fitting > 10);
}

TEST_CASE("both carriers give the exact product of whole numbers, for any strides, batch, scale and bias") {
  for (const bool bf16 : {false, true}) {
    const auto q = [&](const at::Tensor& x) {
      Quantized result;
      result.values = bf16 ? x.to(at::kBFloat16) : x;
      result.quantum = 1.0f;
      return result;
    };
    for (const auto& [m, n, k] :
         std::vector<std::tuple<int, int, int>>{{1, 1, 1}, {3, 1, 7}, {1, 5, 64}, {33, 17, 1}, {64, 48, 96}}) {
      INFO("bf16 " << bf16 << " " << m << " x " << n << " x " << k);
      const at::Tensor a = whole({m, k}, 1), b = whole({n, k}, 2), bias = whole({n}, 3), exact = at::matmul(a, b.t());
      CHECK(same_numbers(gemm(q(a), q(b), {}, {}, {}), exact));
      CHECK(same_numbers(gemm(q(a.t().contiguous().t()), q(b), {}, {}, {}), exact));
      CHECK(same_numbers(gemm(q(a), q(b.t().contiguous().t()), {}, {}, {}), exact));
      CHECK(same_numbers(gemm(q(a.t().contiguous().t()), q(b.t().contiguous().t()), {}, {}, {}), exact));
      Quantized scaled = q(a);
      scaled.scale = 0.25f;
      CHECK(same_numbers(gemm(scaled, q(b), bias, {}, {}), exact.mul(0.25f).add(bias)));
    }
    const at::Tensor x = whole({2, 5, 3, 8}, 4).transpose(1, 2), w = whole({2, 3, 7, 8}, 5);
    CHECK(same_numbers(gemm(q(x), q(w), {}, {}, {}), at::matmul(x, w.transpose(-2, -1))));
    const at::Tensor expanded = whole({1, 5, 8}, 6).expand({3, 5, 8}), other = whole({3, 4, 8}, 7);
    CHECK(same_numbers(gemm(q(expanded), q(other), {}, {}, {}), at::matmul(expanded, other.transpose(-2, -1))));
    CHECK(gemm(q(at::zeros({0, 8})), q(whole({4, 8}, 1)), {}, {}, {}).sizes() == at::IntArrayRef({0, 4}));
    CHECK(same_numbers(gemm(q(at::zeros({3, 0})), q(at::zeros({4, 0})), {}, {}, {}), at::zeros({3, 4})));
  }
}

TEST_CASE("on grid values of every format the carriers agree within the error of another order of summation") {
  for (const char* format : {"e4m3", "e5m2", "e3m2", "e2m1", "int8", "e5m3", "bf16"}) {
    INFO(format);
    const QuantizerSettings q = unscaled_operand(format);
    const at::Tensor a = random_tensor({40, 200}, 1), b = random_tensor({24, 200}, 2);
    for (const bool as_bf16 : {false, true}) {
      const Quantized qa = last(a, q, as_bf16), qb = last(b, q, as_bf16);
      CHECK(qa.values.scalar_type() == (as_bf16 ? at::kBFloat16 : at::kFloat));
      CHECK(same_bits(qa.widened().values, last(a, q, false).values));
      check_sums(gemm(qa, qb, {}, {}, {}), qa.values.to(at::kFloat), qb.values.to(at::kFloat));
    }
  }
}

TEST_CASE("no carrier flushes: tensors whose products are subnormal in fp32 give the fp32 carrier's bits") {
  const QuantizerSettings bf16 = unscaled_operand("bf16");
  for (const double scale : {0x1p-40, 0x1p-62, 0x1p-66, 0x1p-75, 0x1p-126, 0x1p-130}) {
    INFO(scale);
    const at::Tensor a = random_tensor({16, 32}, 1).mul(scale), b = random_tensor({8, 32}, 2).mul(scale);
    const at::Tensor wide = gemm(last(a, bf16, false), last(b, bf16, false), {}, {}, {});
    const at::Tensor packed = gemm(last(a, bf16, true), last(b, bf16, true), {}, {}, {});
    if (scale > 0x1p-50)
      check_sums(packed, last(a, bf16, false).values, last(b, bf16, false).values);
    else
      CHECK(same_bits(packed, wide));
    if (scale > 0x1p-70) CHECK(wide.abs().max().item<float>() > 0.0f);
  }
  // One small number in a tensor of ordinary ones is enough.
  at::Tensor a = random_tensor({4, 8}, 3);
  a[2][5] = 0x1p-120;
  const at::Tensor b = a.mul(0x1p-20);
  CHECK(same_bits(gemm(last(a, bf16, true), last(b, bf16, true), {}, {}, {}),
                  gemm(last(a, bf16, false), last(b, bf16, false), {}, {}, {})));
}

TEST_CASE("of a batch only the matrices with too small numbers go through fp32") {
  const QuantizerSettings bf16 = unscaled_operand("bf16");
  for (const auto& [rows, depth] : {std::pair{40, 32}, {5, 2}, {1, 32}, {40, 31}}) {
    // Either operand by rows or by columns.
    for (const int turned : {0, 1, 2, 3}) {
      at::Tensor a = random_tensor({3, rows, depth}, 1), b = random_tensor({3, 24, depth}, 2);
      a.select(0, 1).mul_(0x1p-70), b.select(0, 1).mul_(0x1p-60);
      if (turned & 1) a = a.transpose(-2, -1).contiguous().transpose(-2, -1);
      if (turned & 2) b = b.transpose(-2, -1).contiguous().transpose(-2, -1);
      const Quantized qa = last(a, bf16, true), qb = last(b, bf16, true);
      const at::Tensor packed = gemm(qa, qb, {}, {}, {}), wide = gemm(qa.widened(), qb.widened(), {}, {}, {});
      INFO(rows << " x " << depth << ", " << turned);
      CHECK(same_bits(packed[1], wide[1]));
      CHECK(wide[1].abs().max().item<float>() > 0.0f);
      for (const std::int64_t ordinary : {0, 2})
        check_sums(packed[ordinary], qa.values[ordinary].to(at::kFloat), qb.values[ordinary].to(at::kFloat));
    }
  }
}

TEST_CASE("scales act on batches, of parts of wider tensors too") {
  // Whole numbers in the middle of rows of 35 and of 38: an odd and an even distance.
  for (const std::int64_t distance : {35, 38})
    for (const bool as_bf16 : {false, true}) {
      Quantized a, b;
      a.values = whole({3, 34, distance}, 1).narrow(-1, 2, 32),
      b.values = whole({3, 20, distance}, 2).narrow(-1, 1, 32);
      if (as_bf16) a = in_bf16(a), b = in_bf16(b);
      a.quantum = b.quantum = 1.0f;
      a.scale = 0.5f, b.scale = 3.0f;
      const at::Tensor y = gemm(a, b, {}, {}, {});
      const at::Tensor x = a.values.to(at::kDouble), w = b.values.to(at::kDouble).transpose(-2, -1);
      INFO(distance << (as_bf16 ? " bf16" : " fp32"));
      CHECK(same_bits(y, at::matmul(x, w).mul(1.5).to(at::kFloat)));
    }
}

TEST_CASE("the quantum of a tensor divides each of its values") {
  const at::Tensor x = random_tensor({8, 64}, 1).mul(random_tensor({8, 64}, 2).mul(20).exp());
  for (const char* format : {"bf16", "e8m3", "e4m3", "e5m2"}) {
    QuantizerSettings quantizer = unscaled_operand(format);
    quantizer.overflow = Overflow::Saturate;
    const Quantized q = last(x, quantizer, true);
    const at::Tensor multiples = q.values.to(at::kDouble).div(static_cast<double>(q.quantum));
    INFO(format);
    CHECK(multiples.eq(multiples.round()).all().item<bool>());
    CHECK(q.quantum >= quantum_of(parse_float_format(format)));
  }
  CHECK(last(x, unscaled_operand("bf16"), true).quantum > 0x1p-126f);
}

TEST_CASE("NaN, infinity and zeros of both signs pass through the bf16 carrier") {
  at::Tensor x = at::ones({4, 4});
  x[0][0] = std::nanf(""), x[1][1] = INFINITY, x[2][2] = -INFINITY, x[3].zero_();
  const Quantized q = last(x, unscaled_operand("e5m2"), true),
                  one = last(at::ones({1, 4}), unscaled_operand("e5m2"), true);
  const at::Tensor y = gemm(q, one, {}, {}, {});
  CHECK(std::isnan(y[0][0].item<float>()));
  CHECK(y[1][0].item<float>() == INFINITY);
  CHECK(y[2][0].item<float>() == -INFINITY);
  CHECK(y[3][0].item<float>() == 0.0f);
}

TEST_CASE("scales per row and per block of K act on the sums of the bf16 carrier as on those of the fp32 one") {
  const at::Tensor x = random_tensor({32, 256}, 1), w = random_tensor({16, 256}, 2);
  for (const ScaleKind kind : {ScaleKind::Row, ScaleKind::Block}) {
    QuantizerSettings q = unscaled_operand("e4m3");
    q.overflow = Overflow::Saturate;
    q.kind = kind;
    q.block_along = 128;  // with scales that are no powers of two, and so are not folded into the operands
    const Quantized a = last(x, q, true), b = last(w, q, true);
    const at::Tensor y = gemm(a, b, {}, {}, {}), wide = gemm(a.widened(), b.widened(), {}, {}, {});
    CHECK(y.scalar_type() == at::kFloat);
    // Sums of 256 (or twice 128) products in another order.
    CHECK(y.sub(wide).abs().max().item<float>() <=
          256 * 0x1p-24f * at::matmul(x.abs(), w.abs().t()).max().item<float>());
    check_sums(y, dequantized(a), dequantized(b));
  }
}

TEST_CASE("operands that do not fit bf16 together run in fp32") {
  const QuantizerSettings fp16 = unscaled_operand("fp16"), e4m3 = unscaled_operand("e4m3");
  GemmArithmetic arithmetic;
  CHECK(bf16_is_exact(e4m3, e4m3, arithmetic));
  CHECK_FALSE(bf16_is_exact(e4m3, fp16, arithmetic));
  arithmetic.accumulator.kind = AccumulatorKind::Every;
  CHECK_FALSE(bf16_is_exact(e4m3, e4m3, arithmetic));
  arithmetic = {};
  arithmetic.carrier = Carrier::Fp32;
  CHECK_FALSE(runs_on_bf16(e4m3, e4m3, arithmetic));
  arithmetic.carrier = Carrier::Bf16;
  CHECK(runs_on_bf16(e4m3, e4m3, arithmetic));
  CHECK_THROWS_WITH(parse_carrier("bf17"), Catch::Contains("did you mean bf16"));
}
