// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/quantize.h"

#include <ATen/Parallel.h>

#include <limits>

#include "precision/base/check.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

QuantizerSettings e4m3_operand(ScaleKind kind = ScaleKind::Tensor) {
  QuantizerSettings config;
  config.format = parse_float_format("e4m3");
  config.kind = kind;
  return config;
}

}  // namespace

TEST_CASE("the identity quantizer returns the tensor itself and counts nothing") {
  const at::Tensor x = random_tensor({7, 5}, 1);
  const Quantized q = quantize(x, {}, Contraction::LastAxis, {});
  CHECK(q.values.is_same(x));
  CHECK(q.scale == 1.0f);
  CHECK(q.events.total == 0);
}

TEST_CASE("current scaling maps amax to the format's maximum and keeps the scale's inverse") {
  at::Tensor x = random_tensor({64, 64}, 2, 1e-3f);
  x.mutable_data_ptr<float>()[100] = -0.7f;
  const Quantized q = quantize(x, e4m3_operand(), Contraction::LastAxis, {});
  const float scale = 448.0f / 0.7f;
  CHECK(q.scale == 1.0f / scale);
  CHECK(q.values.const_data_ptr<float>()[100] == -448.0f);
  CHECK(q.events.amax == 0.7f);
  CHECK(q.events.total == 4096);
  CHECK(q.events.saturated == 0);
}

TEST_CASE("a strided tensor quantizes to the bits of its contiguous copy and is left as it was") {
  const at::Tensor base = random_tensor({33, 17}, 3);
  const at::Tensor before = base.clone();
  QuantizerSettings config = e4m3_operand();
  config.rounding = Rounding::Stochastic;
  const RandomKey key{5, 6, 7, 8};
  CHECK(same_bits(quantize(base.t(), config, Contraction::LastAxis, key).values,
                  quantize(base.t().contiguous(), config, Contraction::LastAxis, key).values));
  CHECK(same_bits(base, before));
}

TEST_CASE("a batch whose transposed view is dense is left as it was, and quantizes to the bits of its copy") {
  const at::Tensor base = random_tensor({3, 16, 32}, 3);
  const at::Tensor before = base.clone(), x = base.transpose(-2, -1);
  QuantizerSettings config = e4m3_operand(ScaleKind::Block);
  config.block_along = 16;
  const Quantized here = quantize(x, config, Contraction::AxisBefore, {});
  CHECK(same_bits(base, before));
  CHECK(same_bits(here.values, quantize(x.contiguous(), config, Contraction::AxisBefore, {}).values));
}

TEST_CASE("heads and columns quantize where they lie to the bits and counts of their contiguous copies") {
  const ScaleKind kind = GENERATE(ScaleKind::None, ScaleKind::Fixed, ScaleKind::Tensor);
  const Contraction contraction = GENERATE(Contraction::LastAxis, Contraction::AxisBefore);
  const bool as_bf16 = GENERATE(false, true);
  const std::int64_t depth = GENERATE(8, 64);  // rows of three heads that are too short for a call each, and long ones
  QuantizerSettings config = e4m3_operand(kind);
  config.fixed = 0.5f;
  const at::Tensor rows = random_tensor({3, 40, 9, depth}, 9, 200.0f);
  const auto check = [&](const at::Tensor& x) {
    const at::Tensor before = x.clone();
    const Quantized there = quantize(x, config, contraction, {}, {}, {as_bf16}),
                    copied = quantize(x.contiguous(), config, contraction, {}, {}, {as_bf16});
    CHECK(same_bits(there.values, copied.values));
    CHECK(there.scale == copied.scale);
    CHECK(there.events.total == copied.events.total);
    CHECK(there.events.saturated == copied.events.saturated);
    CHECK(there.events.underflowed == copied.events.underflowed);
    CHECK(there.events.subnormal == copied.events.subnormal);
    CHECK(there.events.amax == copied.events.amax);
    CHECK(same_bits(x, before));
  };
  check(rows.transpose(1, 2));
  check(rows.narrow(2, 3, 3).transpose(1, 2));
  check(rows.narrow(2, 3, 3).permute({0, 2, 3, 1}));
  check(rows.narrow(2, 3, 1).narrow(1, 5, 20).transpose(1, 2));
  check(rows.narrow(2, 3, 3).narrow(1, 5, 20).transpose(1, 2));
  check(rows.narrow(0, 1, 1).select(1, 0).transpose(-2, -1));
}

TEST_CASE("a known amax is what the scale of a tensor comes from, and no other scale") {
  const at::Tensor x = random_tensor({64, 48}, 4);
  for (const ScaleKind kind : {ScaleKind::Tensor, ScaleKind::Row, ScaleKind::None}) {
    QuantizerSettings config = e4m3_operand(kind);
    config.rounding = Rounding::Stochastic;
    const auto run = [&](QuantizeOptions options) {
      return quantize(x, config, Contraction::LastAxis, {1, 2, 3, 4}, {}, options);
    };
    const Quantized plain = run({});
    const float twice = 2 * plain.events.amax;
    const Quantized known = run({false, true, plain.amax()}), other = run({false, true, &twice});
    CHECK(same_bits(known.values, plain.values));
    CHECK(known.events.amax == plain.events.amax);
    CHECK(other.events.amax == plain.events.amax);
    if (kind == ScaleKind::Tensor)
      CHECK(other.scale == 2 * plain.scale);
    else
      CHECK(same_bits(other.values, plain.values));
  }
}

TEST_CASE("bits and counts do not depend on the number of threads") {
  const at::Tensor x = random_tensor({3'001, 101}, 4, 100.0f);
  QuantizerSettings config = e4m3_operand(ScaleKind::None);
  config.rounding = Rounding::Stochastic;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Quantized one = quantize(x, config, Contraction::LastAxis, {1, 2, 3, 4});
  at::set_num_threads(2);
  const Quantized two = quantize(x, config, Contraction::LastAxis, {1, 2, 3, 4});
  at::set_num_threads(threads);
  CHECK(same_bits(one.values, two.values));
  CHECK(one.events.underflowed == two.events.underflowed);
  CHECK(one.events.subnormal == two.events.subnormal);
  CHECK(one.events.amax == two.events.amax);
}

TEST_CASE("NaN and infinity are seen: kept or saturated, and counted") {
  at::Tensor x = random_tensor({2, 5}, 5);
  x.mutable_data_ptr<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  const Quantized with_nan = quantize(x, e4m3_operand(), Contraction::LastAxis, {});
  CHECK(std::isnan(with_nan.values.const_data_ptr<float>()[3]));
  CHECK(with_nan.events.nan_in == 1);
  CHECK(std::isnan(with_nan.events.amax));
  CHECK(with_nan.scale == 1.0f);

  x.mutable_data_ptr<float>()[3] = std::numeric_limits<float>::infinity();
  const Quantized with_inf = quantize(x, e4m3_operand(), Contraction::LastAxis, {});
  CHECK(with_inf.values.const_data_ptr<float>()[3] == 448.0f);
  CHECK(with_inf.events.saturated == 1);
}

TEST_CASE("an output is scaled and rounded in place, once") {
  QuantizerSettings bf16;
  bf16.format = parse_float_format("bf16");
  at::Tensor y = random_tensor({4, 25}, 6);
  const at::Tensor expected = quantize(y.mul(3.0f), bf16, Contraction::LastAxis, {}).values;
  round_output(y, 3.0f, bf16, {});
  CHECK(same_bits(y, expected));
  at::Tensor plain = random_tensor({4, 25}, 6);
  round_output(plain, 0.5f, {}, {});
  CHECK(same_bits(plain, random_tensor({4, 25}, 6).mul(0.5f)));
}

TEST_CASE("heads within longer rows are rounded in place, and what lies between is left alone") {
  QuantizerSettings bf16;
  bf16.format = parse_float_format("bf16");
  const at::Tensor rows = random_tensor({2, 30, 6, 64}, 7), before = rows.clone();
  const at::Tensor heads = rows.narrow(2, 2, 3).transpose(1, 2);
  REQUIRE(can_round_in_place(heads, bf16));
  round_output(heads, 2.0f, bf16, {});
  CHECK(same_bits(
      heads,
      quantize(before.narrow(2, 2, 3).transpose(1, 2).mul(2.0f).contiguous(), bf16, Contraction::LastAxis, {}).values));
  CHECK(same_bits(rows.narrow(2, 0, 2), before.narrow(2, 0, 2)));
  CHECK(same_bits(rows.narrow(2, 5, 1), before.narrow(2, 5, 1)));
  const at::Tensor whole = before.clone();
  round_output(whole.transpose(1, 2), 1.0f, bf16, {});
  CHECK(same_bits(whole, quantize(before, bf16, Contraction::LastAxis, {}).values));
  bf16.rounding = Rounding::Stochastic;  // whose words are numbered by the order of a contiguous tensor
  CHECK_FALSE(can_round_in_place(heads, bf16));
  CHECK(can_round_in_place(rows, bf16));
}

TEST_CASE("a tensor of another type is a broken contract") {
  CHECK_THROWS_AS(quantize(random_tensor({3, 1}, 1).to(at::kDouble), e4m3_operand(), Contraction::LastAxis, {}),
                  ContractError);
}
