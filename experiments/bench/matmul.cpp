// SPDX-License-Identifier: Apache-2.0
// Matmuls of grid values on both carriers against torch's fp32 one, and a quantized linear layer, forward and backward,
// against the same in fp32 with torch.
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "experiments/bench/bench.h"
#include "precision/autograd/quantized_matmul.h"
#include "precision/gemm/unit_operands.h"
#include "train/recipes/recipes.h"

namespace precipice {
namespace {

at::Tensor integers(at::IntArrayRef shape) {
  return at::randn(shape).mul(4).round();
}

Quantized grid_values(const at::Tensor& values) {
  Quantized q;
  q.values = values;
  q.quantum = 1.0f;
  return q;
}

// a b^T on both carriers.
void bench_product(const BenchOptions& options, const std::string& work, const at::Tensor& a, const at::Tensor& b,
                   std::vector<BenchRow>& rows) {
  const double flops = 2.0 * static_cast<double>(a.size(0) * b.size(0) * a.size(1));
  const int times = static_cast<int>(std::max(1.0, (options.quick ? 1e9 : 4e9) / flops));
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const Quantized qa = grid_values(a.to(type)), qb = grid_values(b.to(type));
    rows.push_back(compare(
        fmt::format("{}, {} carrier", work, type == at::kFloat ? "fp32" : "bf16"), "torch's mm in fp32", 0,
        options.quick ? 5 : 15,
        [&] {
          for (int i = 0; i < times; ++i) gemm(qa, qb, {}, {}, {});
        },
        [&] {
          for (int i = 0; i < times; ++i) at::mm(a, b.t());
        }));
    rows.back().rate = fmt::format("{:.0f} GFLOP/s", 1e-9 * flops * times / median(rows.back().ours));
  }
}

// A recipe's linears with the units of its hardware.
SitePrecision with_native_sums(const char* recipe) {
  SitePrecision site = make_recipe(recipe).linear;
  const std::pair<GemmPrecision*, Pass> gemms[] = {
      {&site.fprop, Pass::Fprop}, {&site.dgrad, Pass::Dgrad}, {&site.wgrad, Pass::Wgrad}};
  for (const auto& [gemm, pass] : gemms)
    gemm->arithmetic.accumulator = resolved_accumulator(
        named_accumulator(parse_accumulator("native"), find_recipe(recipe).native, pass), gemm->first, gemm->second);
  return site;
}

}  // namespace

void bench_gemm(const BenchOptions& options, std::vector<BenchRow>& rows) {
  struct Linear {
    std::int64_t tokens, out, in;
  };
  for (const Linear& s : {Linear{1024, 192, 64}, Linear{2048, 512, 128}, Linear{2048, 1536, 384}}) {
    const at::Tensor x = integers({s.tokens, s.in}), w = integers({s.out, s.in}), dy = integers({s.tokens, s.out});
    bench_product(options, fmt::format("matmul {} x {} x {}", s.tokens, s.out, s.in), x, w, rows);
    bench_product(options, fmt::format("gradient of weights {} x {} over {}", s.out, s.in, s.tokens), dy.t(), x.t(),
                  rows);
  }
}

void bench_linear(const BenchOptions& options, std::vector<BenchRow>& rows) {
  const std::int64_t tokens = 2048, in = 384, out = 1536;
  const auto leaf = [](at::IntArrayRef shape) { return at::randn(shape).set_requires_grad(true); };
  const at::Tensor x = leaf({tokens, in}), w = leaf({out, in}), bias = leaf({out}), dy = at::randn({tokens, out});
  const auto train = [&](const at::Tensor& y) {
    for (const at::Tensor* t : {&x, &w, &bias}) t->mutable_grad() = at::Tensor();
    y.backward(dy);
  };
  const double goal = has_bf16_instructions() ? 0.75 : 1.25;
  const auto torch_fp32 = [&] { train(at::linear(x, w, bias)); };
  const std::string size = fmt::format("linear {} x {} x {}, forward and backward, ", tokens, in, out);
  const auto add = [&](const std::string& name, const SitePrecision& precision, double of_goal, int repetitions) {
    const MatmulSite site{&precision};
    rows.push_back(compare(
        size + name, "torch's linear in fp32", of_goal, repetitions, [&] { train(quantized_linear(x, w, bias, site)); },
        torch_fp32));
    rows.back().rate = fmt::format("{:.1f} ms", 1e3 * median(rows.back().ours));
  };
  for (const char* recipe : {"fp8", "te-delayed", "mxfp8", "nvfp4", "bf16", "fp32"})
    add(recipe, make_recipe(recipe).linear, recipe == std::string("fp8") ? goal : 0, options.quick ? 5 : 15);
  for (const char* recipe : {"fp8", "mxfp8", "bf16"})
    add(fmt::format("{}, accumulator native", recipe), with_native_sums(recipe), 0, options.quick ? 3 : 5);
}

}  // namespace precipice
