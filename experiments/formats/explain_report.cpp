// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/explain_report.h"

#include <fmt/format.h>

#include "precision/base/check.h"

namespace precipice {
namespace {

std::string with_pattern(float x) {
  return fmt::format("{:.9g} (0x{:08x})", x, __builtin_bit_cast(std::uint32_t, x));
}
std::string exponent_text(const AlignedTerm& term) {
  return term.exponent == kNoExponent ? "no exponent" : fmt::format("exponent {}", term.exponent);
}

class Explanation {
 public:
  Explanation(const at::Tensor& a, const at::Tensor& b, const Accumulator& accumulator)
      : a_(a), b_(b), accumulator_(accumulator) {}

  std::string text(const OutputTrace& trace) {
    text_ = fmt::format("accumulator {}\n", to_string(accumulator_));
    for (const SegmentTrace& segment : trace.segments) add_segment(segment);
    text_ += fmt::format("y = {}\n", with_pattern(trace.result));
    return std::move(text_);
  }

 private:
  float a(std::int64_t k) const { return a_.data_ptr<float>()[k * a_.stride(0)]; }
  float b(std::int64_t k) const { return b_.data_ptr<float>()[k * b_.stride(0)]; }

  void add_segment(const SegmentTrace& segment) {
    text_ += fmt::format("segment, k {} to {}: the register begins at 0\n", segment.first, segment.end - 1);
    std::int64_t k = segment.first;
    for (const GroupSum& group : segment.groups) {
      add_group(group, k, std::min<std::int64_t>(segment.end, k + accumulator_.group));
      k += accumulator_.group;
    }
    text_ += fmt::format("  register {}, times {:.9g}: total {}\n", with_pattern(segment.sum), segment.scale,
                         with_pattern(segment.total));
  }

  void add_group(const GroupSum& group, std::int64_t first, std::int64_t end) {
    text_ += group.unit == 0.0 ? fmt::format("  group, k {} to {}: not finite\n", first, end - 1)
                               : fmt::format("  group, k {} to {}: exponent {}, unit 2^{}\n", first, end - 1,
                                             group.exponent, group.exponent - accumulator_.bits + 1);
    if (group.unit == 0.0) return;
    add_term("the register", group.carried);
    std::int64_t zeros = 0;
    const auto per_term =
        static_cast<std::int64_t>(accumulator_.block_scales == BlockScales::Groups ? kProductsToScaleGroup : 1);
    for (std::size_t i = 0; i < group.terms.size(); ++i) {
      const std::int64_t k = first + static_cast<std::int64_t>(i) * per_term;
      if (group.terms[i].exponent == kNoExponent) {
        zeros += 1;
        continue;
      }
      add_term(per_term == 1 ? fmt::format("k {}: {:.9g} x {:.9g}", k, a(k), b(k))
                             : fmt::format("k {} to {}, summed exactly, scaled", k, std::min(end, k + per_term) - 1),
               group.terms[i]);
    }
    if (zeros > 0) text_ += fmt::format("    {} of the terms are zero\n", zeros);
    text_ += fmt::format("    sum {:.17g}: register {}\n", group.sum, with_pattern(group.result));
  }

  void add_term(const std::string& name, const AlignedTerm& term) {
    text_ += fmt::format("    {:<28} = {:.17g}, {}, kept {:.17g}\n", name, term.value, exponent_text(term), term.kept);
  }

  at::Tensor a_, b_;  // (K)
  const Accumulator& accumulator_;
  std::string text_;
};

}  // namespace

std::string explain_report(const Quantized& a, const Quantized& b, const GemmArithmetic& arithmetic, std::int64_t m,
                           std::int64_t n) {
  if (arithmetic.accumulator.kind == AccumulatorKind::Fp32)
    throw ConfigError("the library's sums have an order of its own, which cannot be told step by step");
  const Quantized wide_a = a.widened(), wide_b = b.widened();
  return Explanation(wide_a.values.select(0, m), wide_b.values.select(0, n), arithmetic.accumulator)
      .text(trace_gemm(wide_a, wide_b, arithmetic, m, n));
}

}  // namespace precipice
