// SPDX-License-Identifier: Apache-2.0
// Attention head by head against attention product by product, which an observer asks for: the same bits, whatever the
// numbers are.
#include "train/attention/headwise_attention.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include "precision/gemm/matrix_product.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/quantizers.h"
#include "tests/support/tensors.h"
#include "train/attention/attention.h"

using namespace precipice;
using test::in_format;
using test::random_tensor;
using test::same_bits;

namespace {

class Nobody : public QuantizationObserver {
 public:
  void observe(std::size_t, Slot, const EventCounts&) override {}
};

SitePrecision all_in(const char* format) {
  const QuantizerSettings quantizer = in_format(format);
  GemmArithmetic arithmetic;
  arithmetic.output = quantizer;
  return SitePrecision::of_tensors(quantizer, quantizer, quantizer, arithmetic);
}

struct Results {
  at::Tensor mixed, gradient;
};

// {qkv} (B, T, 3 H D) and the gradient of what the heads mix.
Results attend(const at::Tensor& qkv, const at::Tensor& upstream, std::int64_t heads, const SitePrecision& precision,
               QuantizationObserver* observer) {
  const MatmulSite site{&precision, 0, 0, 0, false, observer};
  const at::Tensor leaf = qkv.clone().set_requires_grad(true);
  const at::Tensor mixed = causal_attention(leaf, heads, heads, site, site, {});
  mixed.backward(upstream);
  return {mixed.detach(), leaf.grad()};
}

bool is_served(std::int64_t length, std::int64_t heads, std::int64_t depth, const SitePrecision& precision) {
  const MatmulSite site{&precision};
  return serves_headwise({2, length, heads, heads, depth}, site, site);
}

}  // namespace

TEST_CASE("attention head by head has the bits of attention product by product") {
  const char* format = GENERATE("fp32", "bf16");
  const std::int64_t length = GENERATE(1, 2, 30, 32, 33, 64, 100, 130), heads = 3, depth = GENERATE(4, 20);
  // Wide weights, small values and small gradients are too small for bf16's instructions, in some heads only.
  struct Sizes {
    double spread, values, upstream;
  };
  const Sizes sizes =
      GENERATE(Sizes{0.1, 1, 1}, Sizes{1, 1, 1}, Sizes{12, 1, 1}, Sizes{1, 0x1p-124, 1}, Sizes{1, 1, 0x1p-119});
  const SitePrecision precision = all_in(format);
  INFO(format << ", " << length << " positions, depth " << depth << ", spread " << sizes.spread << ", values "
              << sizes.values << ", upstream " << sizes.upstream);
  const at::Tensor qkv = random_tensor({2, length, 3 * heads * depth}, 1).mul(sizes.spread),
                   upstream = random_tensor({2, length, heads * depth}, 2).mul(sizes.upstream);
  qkv.narrow(-1, 2 * heads * depth, heads * depth).select(0, 0).mul_(sizes.values);
  qkv.select(0, 1).mul_(0.25);
  Nobody nobody;
  const Results by_heads = attend(qkv, upstream, heads, precision, nullptr),
                by_products = attend(qkv, upstream, heads, precision, &nobody);
  CHECK(same_bits(by_heads.mixed, by_products.mixed));
  CHECK(same_bits(by_heads.gradient, by_products.gradient));

  const at::AutoGradMode none(false);
  const MatmulSite site{&precision};
  CHECK(same_bits(causal_attention(qkv, heads, heads, site, site, {}), by_products.mixed));
}

TEST_CASE("attention over three tensors goes head by head too, each gradient in its format") {
  if (!has_block_kernels(false)) {
    WARN("skipped: matmuls here have no AVX2, and attention does not go head by head");
    return;
  }
  SitePrecision qk = all_in("fp32"), pv = qk;
  qk.dgrad.arithmetic.output = in_format("e5m2");
  qk.wgrad.arithmetic.output = in_format("e4m3");
  const MatmulSite qk_site{&qk}, pv_site{&pv};
  const std::int64_t length = 40, heads = 2, depth = 8;
  const auto part = [&](std::uint64_t seed) {
    return random_tensor({2, length, heads, depth}, seed).set_requires_grad(true);
  };
  REQUIRE(serves_headwise({2, length, heads, heads, depth}, qk_site, pv_site));
  const at::Tensor q = part(1), k = part(2), v = part(3), plain_q = part(1), plain_k = part(2), plain_v = part(3);
  const at::Tensor upstream = random_tensor({2, length, heads * depth}, 4);
  causal_attention(q, k, v, qk_site, pv_site, {}).backward(upstream);
  causal_attention(plain_q, plain_k, plain_v, pv_site, pv_site, {}).backward(upstream);
  CHECK(same_bits(q.grad(), plain_q.grad().to(at::kFloat8_e5m2).to(at::kFloat)));
  CHECK(same_bits(k.grad(), plain_k.grad().to(at::kFloat8_e4m3fn).to(at::kFloat)));
  CHECK(same_bits(v.grad(), plain_v.grad()));

  // In one tensor they are rounded each to its own format as well.
  const at::Tensor qkv = at::cat({q.detach(), k.detach(), v.detach()}, 2).view({2, length, 3 * heads * depth});
  const at::Tensor packed = qkv.clone().set_requires_grad(true);
  causal_attention(packed, heads, heads, qk_site, pv_site, {}).backward(upstream);
  const at::Tensor expected = at::cat({q.grad(), k.grad(), v.grad()}, 2).view({2, length, 3 * heads * depth});
  CHECK(same_bits(packed.grad(), expected));
}

TEST_CASE("attention head by head gives the same bits on one thread and on two") {
  const SitePrecision precision = all_in("bf16");
  const at::Tensor qkv = random_tensor({4, 256, 3 * 4 * 16}, 1), upstream = random_tensor({4, 256, 4 * 16}, 2);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Results one = attend(qkv, upstream, 4, precision, nullptr);
  at::set_num_threads(2);
  const Results two = attend(qkv, upstream, 4, precision, nullptr);
  at::set_num_threads(threads);
  CHECK(same_bits(one.mixed, two.mixed));
  CHECK(same_bits(one.gradient, two.gradient));
}

TEST_CASE("attention with scales, random words, key heads of several or an observer does not go head by head") {
  SitePrecision precision;
  CHECK(is_served(64, 2, 16, precision) == has_block_kernels(false));
  CHECK_FALSE(is_served(0, 2, 16, precision));
  const MatmulSite site{&precision};
  CHECK_FALSE(serves_headwise({2, 64, 4, 2, 16}, site, site));
  Nobody nobody;
  const MatmulSite observed{&precision, 0, 0, 0, false, &nobody};
  CHECK_FALSE(serves_headwise({2, 64, 2, 2, 16}, site, observed));

  SitePrecision scaled;
  scaled.wgrad.second = scaled.fprop.first = in_format("e4m3");
  scaled.wgrad.second.scaling = scaled.fprop.first.scaling = AmaxScaling{};
  CHECK_FALSE(is_served(64, 2, 16, scaled));
  SitePrecision random = all_in("bf16");
  random.dgrad.first.element.rounding = random.wgrad.first.element.rounding = Rounding::Stochastic;
  CHECK_FALSE(is_served(64, 2, 16, random));
  SitePrecision twice = all_in("bf16");
  twice.wgrad.first = in_format("e5m2");
  CHECK_FALSE(is_served(64, 2, 16, twice));
  // The quantum of a head goes by bf16's mantissa.
  CHECK(is_served(64, 2, 16, all_in("e8m3")) == (has_block_kernels(false) && !has_bf16_instructions()));
}
