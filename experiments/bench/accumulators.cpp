// SPDX-License-Identifier: Apache-2.0
// Products with emulated accumulators against torch's fp32 one of the same shape.
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include "experiments/bench/bench.h"
#include "precision/gemm/gemm.h"
#include "precision/kernels/isa.h"
#include "precision/quantize/quantize.h"

namespace precipice {
namespace {

struct Product {
  const char* accumulator;
  const char* format;
  double goal;  // on AVX-512; 0: none stated
};
// Goals: at most so many times as long, with AVX-512 and with AVX2.
constexpr double kGoal = 5, kGoalAvx2 = 8;
constexpr Product kProducts[] = {{"fp32", "e4m3", 0},
                                 {"hopper-fp8", "e4m3", kGoal},
                                 {"hopper-fp8:promote=128", "e4m3", kGoal},
                                 {"ada-fp8", "e4m3", 0},
                                 {"blackwell-fp8", "e4m3", 0},
                                 {"hopper-bf16", "bf16", 0},
                                 {"ampere-bf16", "bf16", 0},
                                 {"hopper-fp16", "fp16", 0},
                                 {"cdna3-fp8", "e4m3fnuz", 0},
                                 {"hopper", "e4m3", 0},
                                 {"chunk:size=64,format=fp16", "e4m3", 0},
                                 {"fp22", "e4m3", 0}};

Quantized operand_in(const at::Tensor& x, const char* format) {
  ElementQuantizer element;
  element.format = parse_float_format(format);
  return quantize(x, element, Contraction::LastAxis, {});
}

}  // namespace

void bench_accumulators(const BenchOptions& options, std::vector<BenchRow>& rows) {
  const std::int64_t size = options.quick ? 256 : 512;
  const at::Tensor a = at::randn({size, size}), b = at::randn({size, size});
  const bool avx512 = active_isa() == "avx512";
  for (const Product& product : kProducts) {
    const Quantized qa = operand_in(a, product.format), qb = operand_in(b, product.format);
    GemmArithmetic arithmetic;
    arithmetic.accumulator = parse_accumulator(product.accumulator);
    // As many of the reference as last about as long.
    const int times = options.quick ? 16 : 4;
    rows.push_back(compare(
        fmt::format("product {0} x {0} x {0} in {1}, {2}", size, product.format, product.accumulator),
        "torch's mm in fp32", product.goal == 0 || avx512 ? product.goal : kGoalAvx2, options.quick ? 5 : 9,
        [&] {
          for (int i = 0; i < times; ++i) gemm(qa, qb, {}, arithmetic, {});
        },
        [&] {
          for (int i = 0; i < times; ++i) at::mm(a, b.t());
        }));
    const double products = static_cast<double>(size * size * size) * times;
    rows.back().rate = fmt::format("{:.2f} G products/s", 1e-9 * products / median(rows.back().ours));
  }
}

}  // namespace precipice
