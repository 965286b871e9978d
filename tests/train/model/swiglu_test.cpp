// SPDX-License-Identifier: Apache-2.0
// Smooth-SwiGLU against the formulas written out with plain tensors, and against the product that it must not change.
#include <algorithm>

#include "train/model/swiglu.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>

#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

constexpr std::int64_t kTokens = 12, kHidden = 20, kWidth = 8;

struct Result {
  at::Tensor y, dgate, dup, dweight;
};

// gate and up are (2, 6, F): s is over all twelve tokens. Channel 3 of up is an outlier, channel 5 is zero.
Result run(const SitePrecision& precision, const ElementQuantizer& vector = {}) {
  at::Tensor gate = random_tensor({2, kTokens / 2, kHidden}, 1), up = random_tensor({2, kTokens / 2, kHidden}, 2);
  at::Tensor weight = random_tensor({kWidth, kHidden}, 3);
  up.select(-1, 3).mul_(300.0);
  up.select(-1, 5).zero_();
  for (at::Tensor* x : {&gate, &up, &weight}) x->set_requires_grad(true);
  const MatmulSite site{&precision, 3, 11};
  const at::Tensor y = swiglu_down(gate, up, weight, site, vector);
  y.backward(random_tensor({2, kTokens / 2, kWidth}, 4));
  return {y.detach(), gate.grad(), up.grad(), weight.grad()};
}

QuantizerSettings e4m3() {
  QuantizerSettings q;
  q.format = parse_float_format("e4m3");
  q.kind = ScaleKind::Tensor;
  return q;
}

SitePrecision site_of(const QuantizerSettings& q, SmoothSwiglu kind) {
  SitePrecision site = SitePrecision::of_tensors(q, q, {}, {});
  site.smooth_swiglu = kind;
  return site;
}

double largest_double_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.sub(b).abs().max().item<double>() / b.abs().max().item<double>();
}

at::Tensor quantized(const at::Tensor& x) {
  const Quantized q = quantize(x, e4m3(), Contraction::LastAxis, {});
  return q.values.mul(q.scale);
}

}  // namespace

TEST_CASE("Smooth-SwiGLU changes nothing but rounding: product and gradients in fp32") {
  const Result plain = run(site_of({}, SmoothSwiglu::Off));
  for (const SmoothSwiglu kind : {SmoothSwiglu::Channel, SmoothSwiglu::Token}) {
    const Result smooth = run(site_of({}, kind));
    CHECK_FALSE(same_bits(smooth.y, plain.y));  // a division and a product more
    // A few roundings of 2^-24 per operation, and sums of 20 terms.
    CHECK(largest_double_difference(smooth.y, plain.y) < 2e-6);
    CHECK(largest_double_difference(smooth.dgate, plain.dgate) < 2e-6);
    CHECK(largest_double_difference(smooth.dup, plain.dup) < 2e-6);
    CHECK(largest_double_difference(smooth.dweight, plain.dweight) < 2e-6);
  }
}

TEST_CASE("without it the MLP's second half is silu(gate) up and a linear, bit for bit") {
  const SitePrecision site = site_of(e4m3(), SmoothSwiglu::Off);
  const at::Tensor gate = random_tensor({kTokens, kHidden}, 1), up = random_tensor({kTokens, kHidden}, 2),
                   weight = random_tensor({kWidth, kHidden}, 3);
  const MatmulSite at_site{&site, 3, 11};
  CHECK(same_bits(swiglu_down(gate, up, weight, at_site, {}),
                  quantized_linear(at::silu(gate).mul(up), weight, {}, at_site)));
}

TEST_CASE("per channel, what is quantized is silu(g) u / s and w s") {
  at::Tensor gate = random_tensor({kTokens, kHidden}, 1), up = random_tensor({kTokens, kHidden}, 2),
             weight = random_tensor({kWidth, kHidden}, 3);
  up.select(1, 3).mul_(300.0);
  up.select(1, 5).zero_();
  at::Tensor scaled_up = up.clone(), scaled_weight = weight.clone();
  for (std::int64_t f = 0; f < kHidden; ++f) {
    float s = 0.0f;
    for (std::int64_t t = 0; t < kTokens; ++t) s = std::max(s, std::fabs(up[t][f].item<float>()));
    if (s == 0.0f) s = 1.0f;
    scaled_up.select(1, f).div_(s);
    scaled_weight.select(1, f).mul_(s);
  }
  const SitePrecision site = site_of(e4m3(), SmoothSwiglu::Channel);
  const at::Tensor y = swiglu_down(gate, up, weight, {&site, 3, 11}, {});
  const at::Tensor expected = at::matmul(quantized(at::silu(gate).mul(scaled_up)), quantized(scaled_weight).t());
  // The program applies the scales to sums: one rounding each of 2^-24, and another order of 20 terms.
  CHECK(largest_double_difference(y, expected) < 2e-6);
}

TEST_CASE("per token, the largest of a token comes back behind the product") {
  at::Tensor gate = random_tensor({kTokens, kHidden}, 1), up = random_tensor({kTokens, kHidden}, 2),
             weight = random_tensor({kWidth, kHidden}, 3);
  up.select(0, 4).mul_(300.0);
  up.select(0, 7).zero_();
  const at::Tensor s = std::get<0>(up.abs().max(1, true));
  const at::Tensor divided = up.div(s.add(s.eq(0)));
  const SitePrecision site = site_of(e4m3(), SmoothSwiglu::Token);
  const at::Tensor y = swiglu_down(gate, up, weight, {&site, 3, 11}, {});
  const at::Tensor expected = at::matmul(quantized(at::silu(gate).mul(divided)), quantized(weight).t()).mul(s);
  CHECK(largest_double_difference(y, expected) < 2e-6);
  CHECK(y[7].abs().max().item<float>() == 0.0f);
}

TEST_CASE("per channel, an outlier channel no longer takes the others' bits") {
  // The channel is 300 times the others, whose products E4M3 then has near its subnormals.
  const Result exact = run(site_of({}, SmoothSwiglu::Off));
  QuantizerSettings coarse = e4m3();
  coarse.format = parse_float_format("e2m3");
  SitePrecision plain = SitePrecision::of_tensors(coarse, {}, {}, {}), smooth = plain;
  smooth.smooth_swiglu = SmoothSwiglu::Channel;
  // Error of the gradient of w in the ordinary channels, where x is what was quantized.
  const auto error = [&](const SitePrecision& site) {
    return run(site).dweight.slice(1, 6).sub(exact.dweight.slice(1, 6)).norm().item<double>();
  };
  CHECK(error(smooth) < 0.2 * error(plain));
}
