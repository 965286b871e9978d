// SPDX-License-Identifier: Apache-2.0
// Oracles: plain autograd matmul for fp32 slots, and the composition written out by hand for quantized ones.
#include "precision/autograd/quantized_matmul.h"
#include "precision/scaling/quantizer_settings.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>

#include <map>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;
using test::same_bits;

namespace {

struct Product {
  at::Tensor y, dx, dw, dbias;
};

Product run(const at::Tensor& x0, const at::Tensor& w0, const at::Tensor& dy, const SitePrecision& precision,
            const at::Tensor& bias0 = {}, std::uint32_t step = 0, QuantizationObserver* observer = nullptr) {
  const at::Tensor x = x0.clone().set_requires_grad(true), w = w0.clone().set_requires_grad(true);
  at::Tensor bias;
  if (bias0.defined()) bias = bias0.clone().set_requires_grad(true);
  const MatmulSite site{&precision, 3, 11, step, false, observer};
  const at::Tensor y = x.dim() == 2 || w.dim() == 2 ? quantized_linear(x, w, bias, site) : quantized_matmul(x, w, site);
  y.backward(dy);
  return {y.detach(), x.grad(), w.grad(), bias.defined() ? bias.grad() : at::Tensor()};
}

QuantizerSettings scaled(const char* format, Rounding rounding = Rounding::NearestEven) {
  QuantizerSettings config;
  config.format = parse_float_format(format);
  config.rounding = rounding;
  config.kind = ScaleKind::Tensor;
  return config;
}

QuantizerSettings unscaled(const char* format) {
  QuantizerSettings config;
  config.format = parse_float_format(format);
  config.overflow = Overflow::Native;
  return config;
}

SitePrecision fp8() {
  return SitePrecision::of_tensors(scaled("e4m3"), scaled("e4m3"), scaled("e5m2"),
                                   {{}, ScalesAct::Sums, unscaled("bf16")});
}

at::Tensor by_hand(const at::Tensor& a, const at::Tensor& b, const GemmPrecision& p) {
  const Quantized qa = quantize(a, p.first, Contraction::LastAxis, {});
  const Quantized qb = quantize(b, p.second, Contraction::AxisBefore, {});
  const at::Tensor sums = at::matmul(qa.values, qb.values.transpose(-2, -1)).mul(qa.scale * qb.scale);
  return quantize(sums, p.arithmetic.output, Contraction::LastAxis, {}).values;
}

}  // namespace

// Whole numbers of a few bits: every order of summation gives the same sums.
TEST_CASE("with every slot at fp32 a linear and its gradients are those of plain matmul, exactly on whole numbers") {
  const auto whole = [](at::IntArrayRef shape, std::uint64_t seed) {
    return random_tensor(shape.vec(), seed).mul(8).round();
  };
  const at::Tensor x = whole({37, 24}, 1), w = whole({19, 24}, 2), dy = whole({37, 19}, 3);
  const Product ours = run(x, w, dy, {});
  CHECK(same_bits(ours.y, at::mm(x, w.t())));
  CHECK(same_bits(ours.dx, at::mm(dy, w)));
  CHECK(same_bits(ours.dw, at::mm(dy.t(), x)));
}

TEST_CASE(
    "with every slot at fp32 the batched product and its gradients are those of plain autograd, exactly on whole "
    "numbers") {
  const auto whole = [](at::IntArrayRef shape, std::uint64_t seed) {
    return random_tensor(shape.vec(), seed).mul(8).round();
  };
  const at::Tensor q0 = whole({2, 3, 9, 8}, 1), k0 = whole({2, 3, 7, 8}, 2);
  const at::Tensor dy = whole({2, 3, 9, 7}, 3);
  const Product ours = run(q0, k0, dy, {});
  const at::Tensor q = q0.clone().set_requires_grad(true), k = k0.clone().set_requires_grad(true);
  const at::Tensor y = at::matmul(q, k.transpose(-2, -1));
  y.backward(dy);
  CHECK(same_bits(ours.y, y.detach()));
  CHECK(same_bits(ours.dx, q.grad()));
  CHECK(same_bits(ours.dw, k.grad()));
}

TEST_CASE("quantized slots equal the composition written out by hand") {
  const at::Tensor x = random_tensor({40, 32}, 4), w = random_tensor({24, 32}, 5, 0.02f);
  const at::Tensor dy = random_tensor({40, 24}, 6, 1e-5f);
  const SitePrecision p = fp8();
  const Product ours = run(x, w, dy, p);
  CHECK(same_bits(ours.y, by_hand(x, w.t().contiguous(), p.fprop)));
  CHECK(same_bits(ours.dx, by_hand(dy, w, p.dgrad)));
  CHECK(same_bits(ours.dw, by_hand(dy.t().contiguous(), x, p.wgrad)));
  CHECK_FALSE(same_bits(ours.y, at::mm(x, w.t())));
}

TEST_CASE("attention products quantize each operand as a whole") {
  const at::Tensor q = random_tensor({2, 2, 6, 8}, 7), k = random_tensor({2, 2, 6, 8}, 8),
                   dy = random_tensor({2, 2, 6, 6}, 9);
  const SitePrecision p = fp8();
  const Product ours = run(q, k, dy, p);
  CHECK(same_bits(ours.y, by_hand(q, k.transpose(-2, -1), p.fprop)));
  CHECK(same_bits(ours.dx, by_hand(dy, k, p.dgrad)));
  CHECK(same_bits(ours.dw, by_hand(dy.transpose(-2, -1), q, p.wgrad)));
}

TEST_CASE("each of the six slots and three outputs changes its own pass and no other") {
  const at::Tensor x = random_tensor({20, 16}, 1), w = random_tensor({12, 16}, 2), dy = random_tensor({20, 12}, 3);
  const Product base = run(x, w, dy, fp8());
  for (const Pass pass : {Pass::Fprop, Pass::Dgrad, Pass::Wgrad})
    for (const int member : {0, 1, 2}) {
      SitePrecision changed = fp8();
      GemmPrecision& gemm = changed.pass(pass);
      if (member == 2)
        gemm.arithmetic.output = unscaled("e3m2");
      else
        (member == 0 ? gemm.first : gemm.second) = unscaled("e3m2");
      const Product other = run(x, w, dy, changed);
      CHECK(same_bits(base.y, other.y) == (pass != Pass::Fprop));
      CHECK(same_bits(base.dx, other.dx) == (pass != Pass::Dgrad));
      CHECK(same_bits(base.dw, other.dw) == (pass != Pass::Wgrad));
    }
}

TEST_CASE("stochastic slots of one tensor draw different bits, and the same bits every time") {
  const at::Tensor x = random_tensor({16, 16}, 1), w = random_tensor({16, 16}, 2), dy = random_tensor({16, 16}, 3);
  const QuantizerSettings sr = scaled("e4m3", Rounding::Stochastic);
  const SitePrecision p = SitePrecision::of_tensors(sr, sr, sr, {});
  const Product first = run(x, w, dy, p), again = run(x, w, dy, p), next_step = run(x, w, dy, p, {}, 1);
  CHECK(same_bits(first.y, again.y));
  CHECK(same_bits(first.dw, again.dw));
  CHECK_FALSE(same_bits(first.y, next_step.y));
  // fprop's x and wgrad's x: slot keys differ, so do the roundings.
  const auto slot = [&](Slot s) {
    return quantize(x, sr, Contraction::LastAxis, {11, 0, 3, static_cast<std::uint16_t>(s)}).values;
  };
  CHECK_FALSE(same_bits(slot(Slot::FpropX), slot(Slot::WgradX)));
  const Quantized qdy = quantize(dy, sr, Contraction::LastAxis, {11, 0, 3, static_cast<std::uint16_t>(Slot::WgradDy)});
  const Quantized qx = quantize(x, sr, Contraction::LastAxis, {11, 0, 3, static_cast<std::uint16_t>(Slot::WgradX)});
  CHECK(same_bits(first.dw, at::mm(qdy.values.t(), qx.values).mul(qdy.scale * qx.scale)));
}

TEST_CASE("a bias is added to the scaled sums before the output is rounded, and its gradient is exact") {
  const at::Tensor x = random_tensor({2, 5, 16}, 1), w = random_tensor({12, 16}, 2), bias = random_tensor({12}, 4);
  const at::Tensor dy = random_tensor({2, 5, 12}, 3);
  const SitePrecision p = fp8();
  const Product ours = run(x, w, dy, p, bias);
  const Quantized qx = quantize(x.view({10, 16}), p.fprop.first, Contraction::LastAxis, {});
  const Quantized qw = quantize(w, p.fprop.second, Contraction::LastAxis, {});
  const at::Tensor sums = at::addmm(bias, qx.values, qw.values.t(), 1.0, qx.scale * qw.scale);
  CHECK(same_bits(ours.y.view({10, 12}), quantize(sums, p.fprop.arithmetic.output, Contraction::LastAxis, {}).values));
  CHECK(same_bits(ours.dbias, dy.view({10, 12}).sum(0)));
}

TEST_CASE("an observer sees every rounded operand once a pass and nothing of an fp32 slot") {
  struct Counter : QuantizationObserver {
    std::map<int, std::uint64_t> totals;  // by slot
    void observe(std::size_t site, Slot slot, const EventCounts& events) override {
      CHECK(site == 3);
      totals[static_cast<int>(slot)] += events.total;
    }
  } counter;
  const at::Tensor x = random_tensor({20, 16}, 1), w = random_tensor({12, 16}, 2), dy = random_tensor({20, 12}, 3);
  SitePrecision p = fp8();
  run(x, w, dy, p, {}, 0, &counter);
  const auto slot = [](Slot s) { return static_cast<int>(s); };
  CHECK(counter.totals ==
        std::map<int, std::uint64_t>{{slot(Slot::FpropX), 320}, {slot(Slot::FpropW), 192}, {slot(Slot::DgradDy), 240}});
  counter.totals.clear();
  p.dgrad.first = {};  // now wgrad's dy no longer shares, and dgrad's is not rounded
  run(x, w, dy, p, {}, 0, &counter);
  CHECK(counter.totals ==
        std::map<int, std::uint64_t>{{slot(Slot::FpropX), 320}, {slot(Slot::FpropW), 192}, {slot(Slot::WgradDy), 240}});
}
