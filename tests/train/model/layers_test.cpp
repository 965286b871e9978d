// SPDX-License-Identifier: Apache-2.0
// The pieces that models are made of, each against its definition in double.
#include <ATen/ops/eye.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

#include "precision/base/check.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"
#include "train/attention/attention.h"
#include "train/attention/rope.h"
#include "train/model/loss.h"
#include "train/model/norm.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

at::Tensor leaf_of(const at::Tensor& x) {
  return x.clone().set_requires_grad(true);
}

float largest_gap(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return a.detach().to(at::kDouble).sub(b.detach().to(at::kDouble)).abs().max().item<float>();
}

}  // namespace

TEST_CASE("rotary positions turn the complex pairs (x_i, x_(i + D/2)) by t theta^(-2i/D)") {
  const std::int64_t batch = 2, length = 9, heads = 3, depth = 8, half = depth / 2;
  const double theta = 500;
  const at::Tensor x = random_tensor({batch, length, heads, depth}, 1);
  const at::Tensor y = apply_rope(x, make_rope_table(12, depth, theta, {}));
  const auto in = x.accessor<float, 4>(), out = y.accessor<float, 4>();
  double worst = 0;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t t = 0; t < length; ++t)
      for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t i = 0; i < half; ++i) {
          const double frequency = std::pow(theta, -2.0 * double(i) / double(depth));
          const std::complex<double> turned =
              std::complex<double>(in[b][t][h][i], in[b][t][h][i + half]) * std::polar(1.0, double(t) * frequency);
          worst = std::max(
              {worst, std::abs(out[b][t][h][i] - turned.real()), std::abs(out[b][t][h][i + half] - turned.imag())});
        }
  // |x| <= 2: the table's half ulp of 1, two products and their sum each round a number below 4.
  CHECK(worst <= 4 * 0x1p-23);
}

TEST_CASE("the gradient of a rotation is the rotation back, and positions enter scores as differences only") {
  const RopeTable table = make_rope_table(16, 8, 10000, {});
  const at::Tensor x = leaf_of(random_tensor({1, 16, 2, 8}, 2)), upstream = random_tensor({1, 16, 2, 8}, 3);
  apply_rope(x, table).backward(upstream);
  // <R x, u> = <x, R^T u>, and R^T undoes R.
  CHECK(largest_gap(apply_rope(x.grad(), table), upstream) <= 8 * 0x1p-23f);
  // One vector at all positions: q_t . k_s depends on t - s.
  const at::Tensor same = random_tensor({1, 1, 1, 8}, 4).expand({1, 16, 1, 8});
  const at::Tensor turned = apply_rope(same, table).view({16, 8});
  const at::Tensor scores = turned.matmul(turned.t());
  for (std::int64_t shift = 1; shift < 5; ++shift)
    CHECK(largest_gap(scores.slice(0, 0, 10).slice(1, 0, 10),
                      scores.slice(0, shift, 10 + shift).slice(1, shift, 10 + shift)) < 64 * 0x1p-23f);
}

TEST_CASE("a rounded rope table holds values of its format and turns by it in both directions") {
  QuantizerSettings bf16;
  bf16.format = parse_float_format("bf16");
  const RopeTable exact = make_rope_table(64, 8, 10000, {}), rounded = make_rope_table(64, 8, 10000, bf16);
  CHECK(same_bits(rounded.sines, exact.sines.to(at::kBFloat16).to(at::kFloat)));
  CHECK(same_bits(rounded.cosines, exact.cosines.to(at::kBFloat16).to(at::kFloat)));
  CHECK_FALSE(same_bits(rounded.sines, exact.sines));
  const at::Tensor x = leaf_of(random_tensor({1, 64, 1, 8}, 5));
  const at::Tensor y = apply_rope(x, rounded);
  CHECK_FALSE(same_bits(y.detach(), apply_rope(x, exact).detach()));
  // The gradient of |R x|^2 / 2 is R^T R x, and R^T R is the table's c^2 + s^2, not 1.
  y.square().sum().mul(0.5).backward();
  const at::Tensor length =
      rounded.cosines.square().add(rounded.sines.square()).view({1, 64, 1, 4}).repeat({1, 1, 1, 2});
  CHECK(largest_gap(x.grad(), x.detach().mul(length)) <= 8 * 0x1p-23f);
  CHECK(largest_gap(x.grad(), x.detach()) > 0x1p-10f);
}

TEST_CASE("an odd head size is refused by the rope table") {
  CHECK_THROWS_AS(make_rope_table(4, 5, 10000, {}), ContractError);
}

TEST_CASE("RMSNorm and its gradients are the definition's") {
  for (const std::int64_t width : {1, 7, 48}) {
    const double eps = 1e-3;  // visible
    const at::Tensor x = leaf_of(random_tensor({5, 3, width}, 1)), gain = leaf_of(random_tensor({width}, 2));
    const at::Tensor upstream = random_tensor({5, 3, width}, 3);
    const at::Tensor xd = leaf_of(x.detach().to(at::kDouble)), gd = leaf_of(gain.detach().to(at::kDouble));
    const at::Tensor expected = xd.div(xd.square().mean(-1, true).add(eps).sqrt()).mul(gd);
    expected.backward(upstream.to(at::kDouble));
    const at::Tensor y = normalise(x, {NormKind::Rms, gain, {}}, eps, {});
    y.backward(upstream);
    INFO("width " << width);
    // Values below 2 sqrt(width); gradients below 2 / sqrt(eps) = 64; 15 rows sum up in a gain.
    CHECK(largest_gap(y, expected) <= 16 * 0x1p-23f * std::sqrt(float(width)));
    CHECK(largest_gap(x.grad(), xd.grad()) <= 256 * 0x1p-23f);
    CHECK(largest_gap(gain.grad(), gd.grad()) <= 64 * 0x1p-23f * std::sqrt(float(width)));
  }
}

TEST_CASE("RMSNorm turns a row with a NaN or an infinity into one with a NaN, and no other") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    at::Tensor x = random_tensor({3, 8}, 1);
    x.mutable_data_ptr<float>()[8 + 2] = bad;
    const at::Tensor nan = normalise(x, {NormKind::Rms, at::ones({8}), {}}, 1e-5, {}).isnan();
    CHECK(nan[1].any().item<bool>());
    CHECK_FALSE(nan[0].any().item<bool>());
    CHECK_FALSE(nan[2].any().item<bool>());
  }
}

TEST_CASE("grouped-query attention is attention with every key and value head repeated") {
  // From 128 on, blocks of the future are left out of products.
  const std::int64_t batch = 2, length = GENERATE(5, 160), heads = 6, depth = 4;
  const SitePrecision fp32;
  const MatmulSite site{&fp32};
  for (const std::int64_t groups : {1, 2, 3, 6}) {
    const at::Tensor q = leaf_of(random_tensor({batch, length, heads, depth}, 1));
    const at::Tensor k = leaf_of(random_tensor({batch, length, groups, depth}, 2));
    const at::Tensor v = leaf_of(random_tensor({batch, length, groups, depth}, 3));
    const at::Tensor upstream = random_tensor({batch, length, heads * depth}, 4);
    const at::Tensor ours = causal_attention(q, k, v, site, site, {});
    ours.backward(upstream);

    const at::Tensor qd = leaf_of(q.detach().to(at::kDouble)), kd = leaf_of(k.detach().to(at::kDouble)),
                     vd = leaf_of(v.detach().to(at::kDouble));
    const at::Tensor keys = kd.repeat_interleave(heads / groups, 2), values = vd.repeat_interleave(heads / groups, 2);
    const at::Tensor mask = at::ones({length, length}).triu(1).to(at::kBool);
    const at::Tensor scores = qd.transpose(1, 2).matmul(keys.permute({0, 2, 3, 1})).div(std::sqrt(double(depth)));
    const at::Tensor weights = at::softmax(scores.masked_fill(mask, -INFINITY), -1);
    const at::Tensor theirs = weights.matmul(values.transpose(1, 2)).transpose(1, 2).reshape({batch, length, -1});
    theirs.backward(upstream.to(at::kDouble));
    INFO(groups << " key heads, " << length << " positions");
    // Sums of at most `length` products below 4 each; a key head gathers up to six heads' gradients.
    const float unit = static_cast<float>(length) / 5 * 0x1p-23f;
    CHECK(largest_gap(ours, theirs) <= 8 * unit);
    CHECK(largest_gap(q.grad(), qd.grad()) <= 16 * unit);
    CHECK(largest_gap(k.grad(), kd.grad()) <= 64 * unit);
    CHECK(largest_gap(v.grad(), vd.grad()) <= 64 * unit);
  }
}

TEST_CASE("the softmax's output and gradient are rounded to its format, nothing else") {
  const SitePrecision fp32;
  const MatmulSite site{&fp32};
  QuantizerSettings e4m3;
  e4m3.format = parse_float_format("e4m3");
  const at::Tensor q = random_tensor({1, 4, 1, 4}, 1, 3.0f), k = random_tensor({1, 4, 1, 4}, 2, 3.0f);
  // Unit vectors as values: the output is the weights.
  const at::Tensor v = at::eye(4).view({1, 4, 1, 4});
  const at::Tensor exact = causal_attention(q, k, v, site, site, {}),
                   rounded = causal_attention(q, k, v, site, site, e4m3);
  CHECK(same_bits(rounded, exact.to(at::kFloat8_e4m3fn).to(at::kFloat)));
  CHECK_FALSE(same_bits(rounded, exact));
}

TEST_CASE("z-loss is mean log^2 Z, and its gradient 2 log Z softmax / N") {
  const at::Tensor logits = leaf_of(random_tensor({6, 13}, 1, 3.0f));
  z_loss(logits).mul(0.25).backward();
  const at::Tensor z = logits.detach().to(at::kDouble);
  const at::Tensor log_z = z.exp().sum(-1, true).log();
  CHECK(z_loss(logits).item<double>() == Approx(log_z.square().mean().item<double>()).epsilon(4 * 0x1p-23));
  const at::Tensor gradient = at::softmax(z, -1).mul(log_z).mul(0.25 * 2 / 6.0);
  CHECK(largest_gap(logits.grad(), gradient) <= 4 * 0x1p-23f);
}
