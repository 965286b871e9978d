// SPDX-License-Identifier: Apache-2.0
#include "experiments/status/accumulator_cost.h"

#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "experiments/console/console.h"
#include "precision/accumulator/accumulator_presets.h"
#include "precision/gemm/gemm.h"
#include "precision/policy/policy.h"

namespace precipice {
namespace {

constexpr std::int64_t kM = 256, kN = 256, kK = 512;
constexpr int kTries = 3;

// The shortest of some tries, in seconds.
double time_product(const Quantized& a, const Quantized& b, const GemmArithmetic& arithmetic) {
  double shortest = HUGE_VAL;
  for (int i = 0; i <= kTries; ++i) {
    const double begin = monotonic_seconds();
    gemm(a, b, {}, arithmetic, {});
    if (i > 0) shortest = std::min(shortest, monotonic_seconds() - begin);
  }
  return shortest;
}

Quantized operand_in(const FloatFormat& format, std::int64_t rows) {
  ElementQuantizer element;
  element.format = format;
  return quantize(at::randn({rows, kK}), element, Contraction::LastAxis, {});
}

}  // namespace

std::vector<std::string> accumulator_costs(const ResolvedRun& run) {
  std::set<std::string> seen;
  std::vector<std::string> lines;
  for (const PrecisionPolicy& policy : run.schedule.policies) {
    for (std::size_t site = 0; site < policy.num_sites(); ++site) {
      for (const GemmPrecision* gemm : {&policy.at(site).fprop, &policy.at(site).dgrad, &policy.at(site).wgrad}) {
        GemmArithmetic arithmetic;
        arithmetic.accumulator = gemm->arithmetic.accumulator;
        // Scales of blocks are left out: this is about the sums.
        arithmetic.accumulator.block_scales = BlockScales::Sums;
        arithmetic.accumulator.scale_emin = Accumulator{}.scale_emin;
        if (arithmetic.accumulator.kind == AccumulatorKind::Fp32) continue;
        if (!seen.insert(short_name(gemm->arithmetic.accumulator)).second) continue;
        const Quantized a = operand_in(gemm->first.element.format, kM), b = operand_in(gemm->second.element.format, kN);
        const double library = time_product(a, b, {}), emulated = time_product(a, b, arithmetic);
        lines.push_back(
            fmt::format("accumulator {}: {:.1f} times as long as the library's fp32, a product of {} x {} x {}",
                        short_name(gemm->arithmetic.accumulator), emulated / library, kM, kN, kK));
      }
    }
  }
  return lines;
}

}  // namespace precipice
