// SPDX-License-Identifier: Apache-2.0
// What a step is made of, on a device, against libtorch's operations there: memory and matmuls, quantizers against copies,
// our products against its own, attention against its fused one. Each time is that of a batch of calls, and of the wait at
// its end.
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <fmt/format.h>

#include <algorithm>

#include "experiments/bench/bench.h"
#include "precision/base/check.h"
#include "precision/format/format_presets.h"
#include "precision/gemm/gemm.h"
#include "precision/quantize/quantize.h"
#include "train/attention/attention.h"
#include "train/recipes/recipes.h"

namespace precipice {
namespace {

// Goals are those of the design: what fused and vectorised kernels are to reach.
constexpr double kQuantizeGoal = 1.15, kAmaxGoal = 1.1, kGemmGoal = 1.05, kAttentionGoal = 2.0;

using Work = std::function<void()>;

class DeviceRows {
 public:
  DeviceRows(const BenchOptions& options, std::vector<BenchRow>& rows) : options_(options), rows_(rows) {}

  at::Tensor random(at::IntArrayRef sizes, at::ScalarType type = at::kFloat) const {
    return at::randn(sizes).to(type).to(options_.device.training.device);
  }
  std::int64_t sized(std::int64_t size, std::int64_t quick) const { return options_.quick ? quick : size; }

  // `amount` of `unit` in one call of ours, which is named in the row: bytes or operations.
  void add(const std::string& work, const std::string& reference, double goal, const Work& ours, const Work& theirs,
           double amount, const char* unit) {
    const int times = options_.times(2, 20);
    const auto often = [this, times](const Work& call) {
      return [this, times, &call] {
        for (int i = 0; i < times; ++i) call();
        options_.device.wait();
      };
    };
    rows_.push_back(compare(work, reference, goal, options_.times(3, 9), often(ours), often(theirs)));
    rows_.back().units = times;
    rows_.back().rate = fmt::format("{:.3g} {}/s", 1e-9 * amount * times / median(rows_.back().ours), unit);
  }

 private:
  const BenchOptions& options_;
  std::vector<BenchRow>& rows_;
};

Quantizer scaled_e4m3() {
  Quantizer quantizer(ElementQuantizer{kE4m3});
  quantizer.scaling = AmaxScaling{};
  return quantizer;
}

void bench_device_limits(DeviceRows& rows) {
  const std::int64_t count = rows.sized(1 << 26, 1 << 18), size = rows.sized(4096, 128);
  const at::Tensor x = rows.random({count}), y = rows.random({count});
  rows.add(
      fmt::format("additions to {:.1f}M numbers of as many others", 1e-6 * static_cast<double>(count)),
      "device copy of the others", 0, [&] { x.add_(y); }, [&] { x.copy_(y); }, 12.0 * static_cast<double>(count), "GB");
  const at::Tensor a = rows.random({size, size}), b = rows.random({size, size}), half_a = a.to(at::kBFloat16),
                   half_b = b.to(at::kBFloat16);
  rows.add(
      fmt::format("torch's mm in bf16, {0} x {0} x {0}", size), "torch's mm in fp32", 0,
      [&] { at::mm(half_a, half_b.t()); }, [&] { at::mm(a, b.t()); },
      2.0 * static_cast<double>(size) * static_cast<double>(size) * static_cast<double>(size), "GFLOP");
}

void bench_device_quantizers(DeviceRows& rows) {
  const std::int64_t side = rows.sized(8192, 256);
  const at::Tensor x = rows.random({side, side}), y = at::empty_like(x);
  const double bytes = 8.0 * static_cast<double>(x.numel());
  const std::string place = fmt::format(", {0} x {0}", side);
  const Work copy = [&] { y.copy_(x); };
  const auto quantized = [&x](const Quantizer& quantizer, bool as_bf16) {
    return [&x, quantizer, as_bf16] { quantize(x, quantizer, Contraction::LastAxis, {}, {}, {as_bf16}); };
  };
  const Quantizer plain(ElementQuantizer{kE4m3});
  rows.add("quantize e4m3 to fp32, counters" + place, "device copy", kQuantizeGoal, quantized(plain, false), copy,
           bytes, "GB");
  rows.add("quantize e4m3 to bf16, counters" + place, "device copy", kQuantizeGoal, quantized(plain, true), copy,
           0.75 * bytes, "GB");
  Quantizer stochastic = plain;
  stochastic.element.rounding = Rounding::Stochastic;
  rows.add("quantize e4m3 stochastic to bf16, counters" + place, "device copy", kQuantizeGoal,
           quantized(stochastic, true), copy, 0.75 * bytes, "GB");
  rows.add(
      "amax, quantize e4m3, counters (current scale)" + place, "two device copies", kAmaxGoal,
      quantized(scaled_e4m3(), false), [&] { copy(), copy(); }, 1.5 * bytes, "GB");
}

void bench_device_scaling(DeviceRows& rows) {
  const std::int64_t side = rows.sized(4096, 128);
  const at::Tensor x = rows.random({side, side});
  const auto work = [&x](const Quantizer& quantizer, Contraction contraction) {
    return [&x, quantizer, contraction] { quantize(x, quantizer, contraction, {}); };
  };
  const Work per_tensor = work(make_recipe("te-current").linear.fprop.first, Contraction::LastAxis);
  const auto add = [&](const char* what, const char* recipe, bool weights, bool of_wgrad) {
    const SitePrecision linear = make_recipe(recipe).linear;
    const GemmPrecision& gemm = of_wgrad ? linear.wgrad : linear.fprop;
    const Contraction contraction = of_wgrad ? Contraction::AxisBefore : Contraction::LastAxis;
    rows.add(fmt::format("{}: {}", what, recipe), "te-current, x", 0,
             work(of_wgrad || weights ? gemm.second : gemm.first, contraction), per_tensor,
             8.0 * static_cast<double>(x.numel()), "GB");
  };
  add("scales per row, x", "torchao-rowwise", false, false);
  add("1x128 blocks, x", "te-block", false, false);
  add("128x128 blocks, w", "te-block", true, false);
  add("1x32 blocks, x", "mxfp8", false, false);
  add("1x32 blocks down the columns, x of wgrad", "mxfp8", false, true);
  add("1x16 blocks under a tensor scale, x", "nvfp4", false, false);
  add("with Hadamard transform, x of wgrad", "nvfp4", false, true);
}

void bench_device_products(DeviceRows& rows) {
  struct Shape {
    std::int64_t m, n, k;
  };
  const std::int64_t most = rows.sized(4096, 128);
  for (const Shape& s : {Shape{most, most, most}, Shape{most / 2, 3 * most / 8, most / 8}}) {
    const at::Tensor a = rows.random({s.m, s.k}, at::kBFloat16), b = rows.random({s.n, s.k}, at::kBFloat16);
    Quantized qa, qb;
    qa.values = a, qb.values = b;
    rows.add(
        fmt::format("product of bf16 numbers, {} x {} x {}", s.m, s.n, s.k), "torch's mm, bf16 to fp32", kGemmGoal,
        [&] { gemm(qa, qb, {}, {}, {}); }, [&] { at::mm(a, b.t(), at::kFloat); },
        2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k), "GFLOP");
  }
}

void bench_device_attention(DeviceRows& rows) {
  const std::int64_t batch = rows.sized(8, 1), length = rows.sized(1024, 32), heads = rows.sized(12, 2),
                     size = rows.sized(64, 16);
  const auto leaf = [&](at::ScalarType type) {
    return rows.random({batch, length, heads, size}, type).requires_grad_(true);
  };
  const at::Tensor q = leaf(at::kFloat), k = leaf(at::kFloat), v = leaf(at::kFloat),
                   dy = rows.random({batch, length, heads * size});
  const at::Tensor half_q = leaf(at::kBFloat16), half_k = leaf(at::kBFloat16), half_v = leaf(at::kBFloat16),
                   half_dy = rows.random({batch, heads, length, size}, at::kBFloat16);
  const auto without_gradients = [](std::initializer_list<at::Tensor> leaves) {
    for (const at::Tensor& x : leaves) x.mutable_grad() = at::Tensor();
  };
  const Work fused = [&] {
    without_gradients({half_q, half_k, half_v});
    at::scaled_dot_product_attention(half_q.transpose(1, 2), half_k.transpose(1, 2), half_v.transpose(1, 2), {}, 0.0,
                                     true)
        .backward(half_dy);
  };
  // Of a causal half: two products forward, five backward.
  const double flops = 7.0 * static_cast<double>(batch * heads * length * length * size);
  for (const char* recipe : {"bf16", "fp8-all"}) {
    const RecipeChoice choice = make_recipe(recipe);
    const MatmulSite site{&choice.attention};
    rows.add(
        fmt::format("attention {} x {} x {} x {}, forward and backward, {}", batch, length, heads, size, recipe),
        "torch's fused attention in bf16", kAttentionGoal,
        [&] {
          without_gradients({q, k, v});
          causal_attention(q, k, v, site, site, choice.elements.softmax).backward(dy);
        },
        fused, flops, "GFLOP");
  }
}

}  // namespace

void bench_on_device(const BenchOptions& options, const std::string& part, std::vector<BenchRow>& rows) {
  DeviceRows device_rows(options, rows);
  if (part == "roofline") return bench_device_limits(device_rows);
  if (part == "quantize") return bench_device_quantizers(device_rows);
  if (part == "scaling") return bench_device_scaling(device_rows);
  if (part == "gemm") return bench_device_products(device_rows);
  PRECIPICE_CHECK(part == "attention", part);
  bench_device_attention(device_rows);
}

}  // namespace precipice
