// SPDX-License-Identifier: Apache-2.0
#include "precision/autograd/round_tensor.h"

#include "precision/base/check.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/quantizers.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

QuantizerSettings in_format(const char* name) {
  QuantizerSettings config = test::in_format(name);
  config.overflow = Overflow::Native;
  return config;
}

// What the library's own cast says.
at::Tensor cast(const at::Tensor& x, at::ScalarType type) {
  return x.to(type).to(at::kFloat);
}

}  // namespace

TEST_CASE("values and gradients are rounded to their formats as hardware casts do, straight through") {
  const at::Tensor start = random_tensor({5, 7}, 1), upstream = random_tensor({5, 7}, 2);
  const at::Tensor x = start.clone().set_requires_grad(true);
  const at::Tensor y = round_tensor(x, in_format("bf16"), in_format("fp16"));
  CHECK(same_bits(y.detach(), cast(start, at::kBFloat16)));
  y.backward(upstream);
  CHECK(same_bits(x.grad(), cast(upstream, at::kHalf)));
  CHECK(same_bits(x.detach(), start));
}

TEST_CASE("one format does both ways, and a gradient alone leaves the value as it is") {
  const at::Tensor start = random_tensor({40}, 3), upstream = random_tensor({40}, 4);
  const at::Tensor a = start.clone().set_requires_grad(true), b = start.clone().set_requires_grad(true);
  round_tensor(a, in_format("bf16")).backward(upstream);
  const at::Tensor same = round_gradient(b, in_format("bf16"));
  CHECK(same_bits(same.detach(), start));
  same.backward(upstream);
  CHECK(same_bits(a.grad(), cast(upstream, at::kBFloat16)));
  CHECK(same_bits(b.grad(), a.grad()));
}

TEST_CASE("without rounding there is no node: the result is the tensor itself") {
  const at::Tensor x = random_tensor({3}, 5).set_requires_grad(true);
  CHECK(round_tensor(x, QuantizerSettings{}).is_same(x));
  CHECK_FALSE(round_tensor(x, QuantizerSettings{}, in_format("bf16")).is_same(x));
}

TEST_CASE("a scaled quantizer gives the value back, not the grid's") {
  QuantizerSettings scaled = in_format("e4m3");
  scaled.kind = ScaleKind::Fixed;
  scaled.fixed = 8.0f;
  const at::Tensor x = random_tensor({64}, 6, 0.01f);  // subnormal without the scale
  // 8 x on E4M3's grid, over 8; powers of two are exact.
  CHECK(same_bits(round_tensor(x, scaled), round_tensor(x.mul(8), in_format("e4m3")).div(8)));
  CHECK_FALSE(same_bits(round_tensor(x, scaled), round_tensor(x, in_format("e4m3"))));
}

TEST_CASE("stochastic rounding is refused: there are no random words between matmuls") {
  QuantizerSettings stochastic = in_format("bf16");
  stochastic.rounding = Rounding::Stochastic;
  const at::Tensor x = random_tensor({3}, 7);
  CHECK_THROWS_AS(round_tensor(x, stochastic), ContractError);
  CHECK_THROWS_AS(round_gradient(x, stochastic), ContractError);
}
