// SPDX-License-Identifier: Apache-2.0
// Whole units are integers below 2^53 (64 products below 2^46 at most), so that binary64 adds them exactly.
#include "precision/accumulator/block_sum.h"

#include <algorithm>
#include <cmath>

#include "precision/rounding/round_to_format.h"

namespace precipice {
namespace {

constexpr int kFp32Emin = -126;
constexpr int kRegisterBits = 24;

int exponent_of(double x, int emin) {
  return x == 0.0 ? kNoExponent : std::max(std::ilogb(x), emin);
}
int sum_of_exponents(int a, int b) {
  return a == kNoExponent || b == kNoExponent ? kNoExponent : a + b;
}

double cut_toward_zero(double x, int exponent, int bits) {
  const double unit = std::ldexp(1.0, exponent - bits + 1);
  return std::trunc(x / unit) * unit;
}
double cut_downward(double x, int exponent, int bits) {
  const double unit = std::ldexp(1.0, exponent - bits + 1);
  return std::floor(x / unit) * unit;
}

double product_of(const UnitProduct& p) {
  return static_cast<double>(p.a) * static_cast<double>(p.b);
}
double scale_of(const UnitProduct& p) {
  return static_cast<double>(p.scale_a) * static_cast<double>(p.scale_b);
}

class Group {
 public:
  Group(const Accumulator& accumulator, float carried, std::span<const UnitProduct> products, int emin_a, int emin_b)
      : accumulator_(accumulator), carried_(carried), products_(products), emin_a_(emin_a), emin_b_(emin_b) {}

  GroupSum sum() {
    const double plain = ieee_sum();
    if (!std::isfinite(plain)) {
      result_.sum = plain;
      result_.result = static_cast<float>(plain);
      return result_;
    }
    make_terms();
    if (accumulator_.kind == AccumulatorKind::MatrixCore)
      sum_on_matrix_core();
    else
      sum_on_tensor_core();
    return result_;
  }

 private:
  bool is_matrix_core() const { return accumulator_.kind == AccumulatorKind::MatrixCore; }

  // Finite wherever every operand is, but for products that are too large for a matrix core.
  double ieee_sum() const {
    double sum = carried_;
    for (const UnitProduct& p : products_) {
      double product = product_of(p);
      if (is_matrix_core() && std::fabs(product) >= 0x1p128) product = std::copysign(HUGE_VAL, product);
      sum += product * scale_of(p);
    }
    return sum;
  }

  int exponent_of_product(const UnitProduct& p) const {
    if (accumulator_.alignment == Alignment::Value && !is_matrix_core())
      return exponent_of(product_of(p), accumulator_.lowest);
    const int of_operands = sum_of_exponents(exponent_of(p.a, emin_a_), exponent_of(p.b, emin_b_));
    if (of_operands == kNoExponent) return kNoExponent;
    return sum_of_exponents(of_operands,
                            sum_of_exponents(exponent_of(p.scale_a, kNoEmin), exponent_of(p.scale_b, kNoEmin)));
  }

  void make_terms() {
    result_.carried = {carried_, exponent_of(carried_, kFp32Emin), 0.0};
    if (accumulator_.block_scales != BlockScales::Groups) {
      for (const UnitProduct& p : products_)
        result_.terms.push_back({product_of(p) * scale_of(p), exponent_of_product(p), 0.0});
      return;
    }
    for (std::size_t i = 0; i < products_.size(); i += kProductsToScaleGroup) {
      const UnitProduct& first = products_[i];
      double exact = 0.0;
      for (const UnitProduct& p :
           products_.subspan(i, std::min<std::size_t>(kProductsToScaleGroup, products_.size() - i)))
        exact += product_of(p);
      result_.terms.push_back({exact * scale_of(first),
                               sum_of_exponents(exponent_of(first.scale_a, accumulator_.scale_emin),
                                                exponent_of(first.scale_b, accumulator_.scale_emin)),
                               0.0});
    }
  }

  double kept_of(const AlignedTerm& term) const {
    const double units = term.value / result_.unit;
    return (accumulator_.rounding == Rounding::TowardZero ? std::trunc(units) : std::nearbyint(units)) * result_.unit;
  }

  void sum_on_tensor_core() {
    const bool added = accumulator_.register_part == RegisterPart::Added;
    // 1. The unit.
    int exponent = accumulator_.lowest;
    for (const AlignedTerm& term : result_.terms) exponent = std::max(exponent, term.exponent);
    if (!added) exponent = std::max(exponent, result_.carried.exponent);
    result_.exponent = exponent;
    result_.unit = std::ldexp(1.0, exponent - accumulator_.bits + 1);
    // 2. Terms in whole units; divisions by the unit are exact.
    for (AlignedTerm& term : result_.terms) result_.sum += term.kept = kept_of(term);
    if (!added) result_.sum += result_.carried.kept = kept_of(result_.carried);
    // 3. The register.
    result_.result = to_register(result_.sum);
    if (!added) return;
    result_.carried.kept = carried_;
    result_.result = static_cast<float>(static_cast<double>(carried_) + static_cast<double>(result_.result));
  }

  float to_register(double sum) const {
    const int kept = std::min(accumulator_.bits, kRegisterBits);
    const bool cuts = accumulator_.rounding == Rounding::TowardZero;
    const double beyond = cuts ? 0x1p128 : std::ldexp(2.0 - std::ldexp(1.0, -kept), 127);
    if (std::fabs(sum) >= beyond) return sum < 0 ? -HUGE_VALF : HUGE_VALF;
    FloatFormat format;
    format.mantissa_bits = kept - 1;
    const WideFormatConstants constants = prepare_wide(format, Overflow::Native);
    return dispatch_rounding(accumulator_.rounding,
                             [&]<Rounding R>() { return round_to_format<R>(sum, constants, 0, 0); });
  }

  // Every `step`-th product from `first`: its exponent, and the sum of the cut terms.
  std::pair<int, double> sum_cut_terms(std::size_t first, std::size_t step) {
    int exponent = kNoExponent;
    for (std::size_t i = first; i < result_.terms.size(); i += step)
      exponent = std::max(exponent, result_.terms[i].exponent);
    double sum = 0.0;
    for (std::size_t i = first; i < result_.terms.size() && exponent != kNoExponent; i += step)
      sum += result_.terms[i].kept = cut_toward_zero(result_.terms[i].value, exponent, accumulator_.bits);
    return {exponent, sum};
  }

  void sum_on_matrix_core() {
    // 1.
    const bool halves = accumulator_.halves == 2;
    auto [exponent, sum] = sum_cut_terms(0, halves ? 2 : 1);
    if (halves) {
      const auto [other_exponent, other] = sum_cut_terms(1, 2);
      exponent = std::max(exponent, other_exponent);
      if (exponent != kNoExponent)
        sum = cut_downward(sum, exponent, accumulator_.bits) + cut_downward(other, exponent, accumulator_.bits);
    }
    // 2.
    const int carried = result_.carried.exponent;
    result_.exponent = std::max({exponent, carried, kFp32Emin});
    result_.unit = std::ldexp(1.0, result_.exponent - accumulator_.bits + 1);
    result_.carried.kept =
        halves && carried < result_.exponent - 25 ? 0.0 : cut_downward(carried_, result_.exponent, 25);
    // 3.
    result_.sum = cut_downward(sum, result_.exponent, 32) + result_.carried.kept;
    result_.result = static_cast<float>(result_.sum);
  }

  const Accumulator& accumulator_;
  float carried_;
  std::span<const UnitProduct> products_;
  int emin_a_, emin_b_;
  GroupSum result_;
};

}  // namespace

GroupSum sum_group(const Accumulator& accumulator, float carried, std::span<const UnitProduct> products, int emin_a,
                   int emin_b) {
  return Group(accumulator, carried, products, emin_a, emin_b).sum();
}

}  // namespace precipice
