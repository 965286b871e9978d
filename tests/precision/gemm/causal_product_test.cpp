// SPDX-License-Identifier: Apache-2.0
// Products that leave the future out, against whole ones, on integers, whose sums are exact in any order. That it is
// left out shows in what a NaN there does not reach.
#include <ATen/ops/zeros.h>

#include <limits>

#include "precision/autograd/quantized_matmul.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

constexpr std::int64_t kLengths[] = {1, 31, 32, 64, 127, 128, 130, 161, 256, 300};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// From -8 to 8: numbers of e4m3 and bf16.
at::Tensor integers(std::vector<std::int64_t> shape, std::uint64_t seed) {
  return random_tensor(std::move(shape), seed, 4.0f).round();
}

Quantized plain(const at::Tensor& x, bool as_bf16) {
  Quantized q;
  q.values = as_bf16 ? x.to(at::kBFloat16) : x;
  q.quantum = 1.0f;
  return q;
}

struct Operands {
  at::Tensor a, b;
};

// (2, 3, ., .): the operand that `causal` names is square and zero there, the other 24 wide; for Result neither is.
Operands operands(Causal causal, std::int64_t length) {
  if (causal == Causal::Result) return {integers({2, 3, length, 24}, 1), integers({2, 3, length, 24}, 2)};
  const at::Tensor square = integers({2, 3, length, length}, 1), other = integers({2, 3, 24, length}, 2);
  const bool is_past = causal == Causal::FirstPast || causal == Causal::SecondPast;
  const at::Tensor zeroed = is_past ? square.tril() : square.triu();
  return causal == Causal::FirstPast || causal == Causal::FirstAhead ? Operands{zeroed, other}
                                                                     : Operands{other, zeroed};
}

at::Tensor wanted(const at::Tensor& y, Causal causal) {
  return causal == Causal::Result ? y.tril() : y;
}

}  // namespace

TEST_CASE("a product that leaves the future out is the whole product") {
  const Causal causal =
      GENERATE(Causal::Result, Causal::FirstPast, Causal::FirstAhead, Causal::SecondPast, Causal::SecondAhead);
  const bool as_bf16 = GENERATE(false, true);
  QuantizerSettings rounding;
  if (GENERATE(false, true)) rounding.format = parse_float_format("e4m3"), rounding.overflow = Overflow::Native;
  GemmArithmetic arithmetic;
  arithmetic.output = rounding;
  for (const std::int64_t length : kLengths) {
    CAPTURE(static_cast<int>(causal), length, as_bf16);
    const Operands x = operands(causal, length);
    Quantized a = plain(x.a, as_bf16), b = plain(x.b, as_bf16);
    a.scale = 0.25f;
    const at::Tensor whole = gemm(a, b, {}, arithmetic, {});
    CHECK(same_bits(wanted(gemm(a, b, {}, arithmetic, {}, {}, causal), causal), wanted(whole, causal)));
    // Into rows of several heads, and into columns.
    const at::Tensor heads =
        at::zeros({2, whole.size(2), 5, whole.size(3)}, whole.options()).narrow(2, 1, 3).transpose(1, 2);
    gemm(a, b, {}, arithmetic, {}, heads, causal);
    CHECK(same_bits(wanted(heads, causal), wanted(whole, causal)));
    const at::Tensor columns = at::zeros({2, 3, whole.size(3), whole.size(2)}, whole.options()).transpose(2, 3);
    gemm(a, b, {}, arithmetic, {}, columns, causal);
    CHECK(same_bits(wanted(columns, causal), wanted(whole, causal)));
  }
}

TEST_CASE("what a long product leaves out is not computed") {
  const std::int64_t length = 256, last = length - 1;
  // Parts have 32 rows, or 64 on a carrier with fewer of them.
  const auto first_rows = [](const at::Tensor& y) { return y.narrow(-2, 0, 32); };
  const auto last_rows = [](const at::Tensor& y) { return y.narrow(-2, length - 32, 32); };
  const auto run = [&](Causal causal, std::int64_t nan_at) {
    Operands x = operands(causal, length);
    (causal == Causal::FirstPast || causal == Causal::FirstAhead ? x.b : x.a).select(-1, nan_at).fill_(kNan);
    const at::Tensor y = gemm(plain(x.a, false), plain(x.b, false), {}, {}, {}, {}, causal);
    return causal == Causal::FirstPast || causal == Causal::FirstAhead ? y : y.transpose(-2, -1);
  };
  for (const Causal causal : {Causal::FirstPast, Causal::SecondPast}) {
    const at::Tensor y = run(causal, last);
    CHECK_FALSE(first_rows(y).isnan().any().item<bool>());
    CHECK(last_rows(y).isnan().all().item<bool>());
  }
  for (const Causal causal : {Causal::FirstAhead, Causal::SecondAhead}) {
    const at::Tensor y = run(causal, 0);
    CHECK(first_rows(y).isnan().all().item<bool>());
    CHECK_FALSE(last_rows(y).isnan().any().item<bool>());
  }
  const Operands x = operands(Causal::Result, length);
  const at::Tensor y = at::zeros({2, 3, length, length}, x.a.options());
  gemm(plain(x.a, false), plain(x.b, false), {}, {}, {}, y, Causal::Result);
  CHECK_FALSE(first_rows(y).narrow(-1, 64, length - 64).any().item<bool>());
}

TEST_CASE("a causal matmul has the gradients of the whole one") {
  const CausalPart part = GENERATE(CausalPart::Y, CausalPart::X);
  QuantizerSettings e5m10;
  e5m10.format = parse_float_format("e5m10");
  QuantizerSettings rotated = e5m10;
  rotated.hadamard = true;  // mixes past and future
  const QuantizerSettings quantizer = GENERATE_COPY(QuantizerSettings{}, e5m10, rotated);
  const SitePrecision precision = SitePrecision::of_tensors(quantizer, quantizer, quantizer, {});
  const MatmulSite site{&precision};
  const std::int64_t length = GENERATE(192, 272), depth = 32;  // 272 / 4 is no multiple of 16
  const bool of_y = part == CausalPart::Y;
  const at::Tensor x = of_y ? integers({2, 2, length, depth}, 1) : integers({2, 2, length, length}, 1).tril();
  const at::Tensor w = of_y ? integers({2, 2, length, depth}, 2) : integers({2, 2, depth, length}, 2);
  const at::Tensor dy = of_y ? integers({2, 2, length, length}, 3).tril() : integers({2, 2, length, depth}, 3);
  QuantizedProduct causal(site, part), whole(site);
  const auto seen = [&](const at::Tensor& y, bool is_square) { return is_square ? y.tril() : y; };
  const at::Tensor y = causal.forward(x, w), expected = whole.forward(x, w);
  CHECK(same_bits(seen(y, of_y), seen(expected, of_y)));
  const auto gradients = causal.backward(dy, {}), all = whole.backward(dy, {});
  CHECK(same_bits(seen(gradients.dx, !of_y), seen(all.dx, !of_y)));
  CHECK(same_bits(gradients.dw, all.dw));
}
