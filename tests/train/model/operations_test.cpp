// SPDX-License-Identifier: Apache-2.0
// The operations that a model is made of against ATen in double, and against their parts one by one.
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "precision/autograd/round_tensor.h"
#include "precision/base/check.h"
#include "precision/policy/element_precision.h"
#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/quantizers.h"
#include "tests/support/tensors.h"
#include "train/attention/attention.h"
#include "train/model/embedding.h"
#include "train/model/gelu.h"
#include "train/model/loss.h"
#include "train/model/norm.h"

using namespace precipice;
using test::in_format;
using test::random_tensor;
using test::same_bits;

namespace {

constexpr float kUlp = 0x1p-23f;

at::Tensor leaf(const at::Tensor& x) {
  return x.clone().set_requires_grad(true);
}
at::Tensor wide(const at::Tensor& x) {
  return leaf(x.detach().to(at::kDouble));
}
float difference(const at::Tensor& a, const at::Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return a.detach().to(at::kDouble).sub(b.detach().to(at::kDouble)).abs().max().item<float>();
}

at::Tensor random_ids(std::int64_t end, std::vector<std::int64_t> shape) {
  at::Tensor ids = random_tensor(shape, 77).abs().mul(1e4).to(at::kLong).remainder(end);
  return ids;
}

}  // namespace

TEST_CASE("LayerNorm and its gradients are ATen's in double") {
  for (const std::int64_t width : {3, 48, 129}) {
    const at::Tensor x = leaf(random_tensor({200, width}, 1)), gain = leaf(random_tensor({width}, 2)),
                     bias = leaf(random_tensor({width}, 3)), upstream = random_tensor({200, width}, 4);
    const at::Tensor xd = wide(x), gd = wide(gain), bd = wide(bias);
    const at::Tensor theirs = at::layer_norm(xd, {width}, gd, bd, 1e-2);
    theirs.backward(upstream.to(at::kDouble));
    const at::Tensor ours = normalise(x, {NormKind::Layer, gain, bias}, 1e-2, {});
    ours.backward(upstream);
    INFO("width " << width);
    // Values below 2 sqrt(width), gradients below 2 / sqrt(eps); sums over 200 rows.
    CHECK(difference(ours, theirs) <= 32 * kUlp * std::sqrt(float(width)));
    CHECK(difference(x.grad(), xd.grad()) <= 256 * kUlp);
    CHECK(difference(gain.grad(), gd.grad()) <= 512 * kUlp * std::sqrt(float(width)));
    CHECK(difference(bias.grad(), bd.grad()) <= 512 * kUlp);
  }
}

TEST_CASE("a sum that is normalised in one operation is the sum, and that normalised, in every format") {
  for (const char* format : {"fp32", "bf16"})
    for (const NormKind kind : {NormKind::Layer, NormKind::Rms}) {
      ElementPrecision elements;
      if (std::string(format) != "fp32") elements.norm_weights = elements.residual = elements.norm = in_format(format);
      const std::vector<std::int64_t> shape{2, 70, 40};
      const at::Tensor dstream = random_tensor(shape, 5), dnormed = random_tensor(shape, 6);
      std::vector<at::Tensor> results;
      for (const bool fused : {true, false}) {
        const at::Tensor x = leaf(random_tensor(shape, 1)), y = leaf(random_tensor(shape, 2));
        const at::Tensor gain = leaf(random_tensor({40}, 3)), bias = leaf(random_tensor({40}, 4));
        const Norm norm{kind, gain, kind == NormKind::Layer ? bias : at::Tensor()};
        at::Tensor stream, normed;
        if (fused) {
          std::tie(stream, normed) = add_and_normalise(x, y, norm, 1e-3, elements);
        } else {
          stream = round_tensor(x.add(y), elements.residual);
          normed = normalise(stream, norm, 1e-3, elements);
        }
        stream.mul(dstream).sum().add(normed.mul(dnormed).sum()).backward();
        for (const at::Tensor& t : {stream, normed, x.grad(), y.grad(), gain.grad(), bias.grad()})
          if (t.defined()) results.push_back(t.detach());
      }
      INFO(format << (kind == NormKind::Layer ? " layer" : " rms"));
      const std::size_t half = results.size() / 2;
      for (std::size_t i = 0; i < half; ++i) CHECK(same_bits(results[i], results[half + i]));
    }
}

TEST_CASE("a stream that nothing reads further still has its norm's gradient, and the other way round") {
  const at::Tensor gain = leaf(random_tensor({8}, 3));
  for (const bool reads_stream : {true, false}) {
    const at::Tensor x = leaf(random_tensor({4, 8}, 1)), y = leaf(random_tensor({4, 8}, 2)),
                     g = random_tensor({4, 8}, 4);
    const auto [stream, normed] = add_and_normalise(x, y, {NormKind::Rms, gain, {}}, 1e-3, {});
    (reads_stream ? stream : normed).backward(g);
    const at::Tensor alone = leaf(random_tensor({4, 8}, 1).add(random_tensor({4, 8}, 2)));
    if (!reads_stream) normalise(alone, {NormKind::Rms, gain, {}}, 1e-3, {}).backward(g);
    CHECK(same_bits(x.grad(), reads_stream ? g : alone.grad()));
    CHECK(same_bits(y.grad(), x.grad()));
  }
}

TEST_CASE("attention over packed queries, keys and values has the bits of attention over three tensors") {
  const std::int64_t batch = 2, length = 33, heads = 4, depth = 16;
  SitePrecision fp32, e4m3;
  for (GemmPrecision* gemm : {&e4m3.fprop, &e4m3.dgrad, &e4m3.wgrad}) gemm->first = gemm->second = in_format("e4m3");
  for (const SitePrecision* precision : {&fp32, &e4m3})
    for (const std::int64_t groups : {4, 2}) {
      const MatmulSite site{precision};
      const at::Tensor qkv = random_tensor({batch, length, (heads + 2 * groups) * depth}, 1),
                       upstream = random_tensor({batch, length, heads * depth}, 2);
      const at::Tensor packed = leaf(qkv), apart = leaf(qkv);
      const at::Tensor a = causal_attention(packed, heads, groups, site, site, {});
      const auto parts = apart.split_with_sizes({heads * depth, groups * depth, groups * depth}, -1);
      const auto of_heads = [&](const at::Tensor& x) { return x.view({batch, length, -1, depth}); };
      const at::Tensor b = causal_attention(of_heads(parts[0]), of_heads(parts[1]), of_heads(parts[2]), site, site, {});
      a.backward(upstream);
      b.backward(upstream);
      INFO(groups << " key heads");
      // The products are the same but for the strides of results, which choose the library's kernel and so the order
      // of sums: 33 products of weights below 1 and numbers below 4.
      CHECK(difference(a, b) <= 64 * kUlp);
      CHECK(difference(packed.grad(), apart.grad()) <= 512 * kUlp);
    }
}

TEST_CASE("embeddings are ATen's rows and positions, and their gradients add up over tokens") {
  const at::Tensor tokens = random_ids(5, {3, 7});
  const at::Tensor weight = leaf(random_tensor({5, 6}, 1)), positions = leaf(random_tensor({9, 6}, 2));
  const at::Tensor wd = wide(weight), pd = wide(positions), upstream = random_tensor({3, 7, 6}, 3);
  const at::Tensor ours = embed(tokens, weight, positions, {});
  const at::Tensor theirs = at::embedding(wd, tokens).add(pd.slice(0, 0, 7));
  ours.backward(upstream);
  theirs.backward(upstream.to(at::kDouble));
  CHECK(difference(ours, theirs) <= 4 * kUlp);
  // At most 21 numbers below 4.
  CHECK(difference(weight.grad(), wd.grad()) <= 64 * kUlp);
  CHECK(difference(positions.grad(), pd.grad()) <= 16 * kUlp);
  CHECK(same_bits(positions.grad().slice(0, 7, 9), at::zeros({2, 6})));
  const at::Tensor alone = embed(tokens, weight, {}, in_format("e4m3"));
  CHECK(same_bits(alone.detach(), at::embedding(weight, tokens).detach().to(at::kFloat8_e4m3fn).to(at::kFloat)));
  CHECK_THROWS_AS(embed(tokens.add(5), weight, {}, {}), ContractError);
}

TEST_CASE("GELU is x Phi(x) with its derivative, each rounded where it is asked for") {
  const at::Tensor x = leaf(random_tensor({50, 40}, 1, 3.0f)), upstream = random_tensor({50, 40}, 2);
  const at::Tensor xd = wide(x);
  const at::Tensor theirs = xd.mul(at::erf(xd.mul(std::sqrt(0.5))).add(1)).mul(0.5);
  theirs.backward(upstream.to(at::kDouble));
  const at::Tensor ours = precipice::gelu(x, {});
  ours.backward(upstream);
  // Values below 16; Phi is good to 1.5e-7, a little more than an ulp.
  CHECK(difference(ours, theirs) <= 32 * kUlp);
  CHECK(difference(x.grad(), xd.grad()) <= 64 * kUlp);
  const QuantizerSettings bf16 = in_format("bf16");
  const at::Tensor a = leaf(x.detach()), b = leaf(x.detach());
  const at::Tensor rounding = precipice::gelu(a, bf16),
                   rounded_after = round_tensor(precipice::gelu(round_gradient(b, bf16), {}), bf16);
  rounding.backward(upstream);
  rounded_after.backward(upstream);
  CHECK(same_bits(rounding.detach(), rounded_after.detach()));
  CHECK(same_bits(a.grad(), b.grad()));
}

TEST_CASE("the training loss and its gradient are cross-entropy's, whatever it is multiplied by") {
  for (const std::int64_t vocabulary : {1, 65, 1500}) {
    const at::Tensor z = leaf(random_tensor({12, vocabulary}, 1, 3.0f)), targets = random_ids(vocabulary, {12});
    const at::Tensor zd = wide(z);
    const at::Tensor theirs = at::cross_entropy_loss(zd, targets);
    theirs.mul(1024).backward();
    const LogitLoss ours = logit_loss(z, targets, 4);
    ours.mean.mul(1024).backward();
    INFO("vocabulary " << vocabulary);
    CHECK(ours.mean.item<double>() == Approx(theirs.item<double>()).epsilon(4 * kUlp).margin(1e-12));
    // Probabilities are good to 16 ulp relative.
    CHECK(difference(z.grad(), zd.grad()) <= 1024 / 12.0f * 32 * kUlp);
  }
}

TEST_CASE("a NaN logit makes loss and gradient NaN, and a loss is differentiated once") {
  at::Tensor logits = random_tensor({4, 9}, 1);
  logits.mutable_data_ptr<float>()[20] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor z = leaf(logits);
  const LogitLoss loss = logit_loss(z, random_ids(9, {4}), 2);
  CHECK(std::isnan(loss.mean.item<float>()));
  CHECK(std::isnan(loss.statistics.max_logit));
  loss.mean.backward({}, /*retain_graph=*/true);
  CHECK(z.grad()[2].isnan().all().item<bool>());
  CHECK_FALSE(z.grad()[1].isnan().any().item<bool>());
  CHECK_THROWS_AS(loss.mean.backward(), ContractError);
}
