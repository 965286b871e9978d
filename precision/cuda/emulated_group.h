// SPDX-License-Identifier: Apache-2.0
// One group of products and the register, as block_sum.h adds them up, for the threads of a GPU: terms are made again where
// they are needed, and powers of two are made of their bits. Host and device, no CUDA in it.
#pragma once

#include <cmath>
#include <cstdint>

#include "precision/accumulator/accumulate_isa.h"
#include "precision/accumulator/block_sum.h"
#include "precision/accumulator/prepared_gemm.h"
#include "precision/base/host_device.h"
#include "precision/rounding/round_to_format.h"

namespace precipice {

// Products `begin` to `end` of output (m, n) and the register `carried` before them.
struct UnitGroup {
  const PreparedGemm& call;
  std::int64_t m, n, begin, end;
  float carried;

  PRECIPICE_HD float sum() const {
    const double plain = ieee_sum();
    if (!(plain - plain == 0.0)) return static_cast<float>(plain);
    return is_matrix_core() ? sum_on_matrix_core() : sum_on_tensor_core();
  }

 private:
  struct Term {
    double value;
    int exponent;  // kNoExponent: it is zero and takes no part
  };

  PRECIPICE_HD const Accumulator& accumulator() const { return call.gemm.accumulator; }
  PRECIPICE_HD bool is_matrix_core() const { return accumulator().kind == AccumulatorKind::MatrixCore; }

  // 2^e, -1022 <= e <= 1023
  PRECIPICE_HD static double power(int e) {
    return __builtin_bit_cast(double, static_cast<std::int64_t>(e + Binary64::kBias) << Binary64::kMantissa);
  }
  PRECIPICE_HD static int larger(int a, int b) { return a > b ? a : b; }
  // Of numbers that binary64 holds as normal ones.
  PRECIPICE_HD static int exponent_of(double x, int emin) {
    if (x == 0.0) return kNoExponent;
    const auto bits = static_cast<std::uint64_t>(__builtin_bit_cast(std::int64_t, x)) & 0x7FFFFFFFFFFFFFFFu;
    return larger(static_cast<int>(bits >> Binary64::kMantissa) - Binary64::kBias, emin);
  }
  PRECIPICE_HD static int sum_of_exponents(int a, int b) {
    return a == kNoExponent || b == kNoExponent ? kNoExponent : a + b;
  }
  PRECIPICE_HD static double cut_toward_zero(double x, int exponent, int bits) {
    return std::trunc(x * power(bits - 1 - exponent)) * power(exponent - bits + 1);
  }
  PRECIPICE_HD static double cut_downward(double x, int exponent, int bits) {
    return std::floor(x * power(bits - 1 - exponent)) * power(exponent - bits + 1);
  }

  PRECIPICE_HD UnitProduct product_at(std::int64_t k) const {
    const EmulatedGemm& gemm = call.gemm;
    UnitProduct p{gemm.a.data[m * gemm.a.row_stride + k * gemm.a.k_stride],
                  gemm.b.data[n * gemm.b.row_stride + k * gemm.b.k_stride]};
    if (accumulator().block_scales == BlockScales::Sums) return p;
    const std::int64_t block = gemm.scale_block == 0 ? 0 : k / gemm.scale_block;
    p.scale_a = scale_at(gemm.a.scales, m, block), p.scale_b = scale_at(gemm.b.scales, n, block);
    return p;
  }
  PRECIPICE_HD static double product_of(const UnitProduct& p) {
    return static_cast<double>(p.a) * static_cast<double>(p.b);
  }
  PRECIPICE_HD static double scale_of(const UnitProduct& p) {
    return static_cast<double>(p.scale_a) * static_cast<double>(p.scale_b);
  }

  PRECIPICE_HD double ieee_sum() const {
    double sum = static_cast<double>(carried);
    for (std::int64_t k = begin; k < end; ++k) {
      const UnitProduct p = product_at(k);
      double product = product_of(p);
      if (is_matrix_core() && (product >= 0x1p128 || product <= -0x1p128)) product *= 0x1p1023;
      sum += product * scale_of(p);
    }
    return sum;
  }

  PRECIPICE_HD Term term_of(const UnitProduct& p) const {
    const double value = product_of(p) * scale_of(p);
    if (accumulator().alignment == Alignment::Value && !is_matrix_core())
      return {value, exponent_of(product_of(p), accumulator().lowest)};
    const int of_operands = sum_of_exponents(exponent_of(static_cast<double>(p.a), call.gemm.a.emin),
                                             exponent_of(static_cast<double>(p.b), call.gemm.b.emin));
    const int of_scales = sum_of_exponents(exponent_of(static_cast<double>(p.scale_a), kNoEmin),
                                           exponent_of(static_cast<double>(p.scale_b), kNoEmin));
    return {value, sum_of_exponents(of_operands, of_scales)};
  }

  // scales=groups: kProductsToScaleGroup products from k on.
  PRECIPICE_HD Term scaled_group_at(std::int64_t k) const {
    const UnitProduct first = product_at(k);
    const std::int64_t last = end - k < kProductsToScaleGroup ? end : k + kProductsToScaleGroup;
    double exact = 0.0;
    for (std::int64_t i = k; i < last; ++i) exact += product_of(product_at(i));
    return {exact * scale_of(first),
            sum_of_exponents(exponent_of(static_cast<double>(first.scale_a), accumulator().scale_emin),
                             exponent_of(static_cast<double>(first.scale_b), accumulator().scale_emin))};
  }

  // take(term) in order.
  template <class Take>
  PRECIPICE_HD void for_terms(const Take& take) const {
    if (accumulator().block_scales == BlockScales::Groups)
      for (std::int64_t k = begin; k < end; k += kProductsToScaleGroup) take(scaled_group_at(k));
    else
      for (std::int64_t k = begin; k < end; ++k) take(term_of(product_at(k)));
  }

  PRECIPICE_HD int carried_exponent() const { return exponent_of(static_cast<double>(carried), -126); }

  PRECIPICE_HD float sum_on_tensor_core() const {
    const bool added = accumulator().register_part == RegisterPart::Added;
    const bool cuts = accumulator().rounding == Rounding::TowardZero;
    // 1. The unit.
    int exponent = accumulator().lowest;
    for_terms([&](const Term& term) { exponent = larger(exponent, term.exponent); });
    if (!added) exponent = larger(exponent, carried_exponent());
    const double unit = power(exponent - accumulator().bits + 1), inverse = power(accumulator().bits - 1 - exponent);
    // 2. Terms in whole units.
    const auto kept_of = [&](double value) {
      return (cuts ? std::trunc(value * inverse) : std::nearbyint(value * inverse)) * unit;
    };
    double sum = 0.0;
    for_terms([&](const Term& term) { sum += kept_of(term.value); });
    if (!added) sum += kept_of(static_cast<double>(carried));
    // 3. The register.
    const float result = to_register(sum, cuts);
    return added ? static_cast<float>(static_cast<double>(carried) + static_cast<double>(result)) : result;
  }

  PRECIPICE_HD float to_register(double sum, bool cuts) const {
    const int kept = accumulator().bits < 24 ? accumulator().bits : 24;
    const double beyond = cuts ? 0x1p128 : (2.0 - power(-kept)) * 0x1p127;
    const float infinity = __builtin_bit_cast(float, Binary32::kInfinity);
    if (sum >= beyond) return infinity;
    if (sum <= -beyond) return -infinity;
    return cuts ? round_to_format<Rounding::TowardZero>(sum, call.unit_register, 0, 0)
                : round_to_format<Rounding::NearestEven>(sum, call.unit_register, 0, 0);
  }

  struct CutSum {
    int exponent;
    double sum;
  };
  // Every `step`-th product from `first`: its exponent, and the sum of the cut terms.
  PRECIPICE_HD CutSum sum_cut_terms(std::int64_t first, std::int64_t step) const {
    CutSum cut{kNoExponent, 0.0};
    for (std::int64_t k = first; k < end; k += step)
      cut.exponent = larger(cut.exponent, term_of(product_at(k)).exponent);
    for (std::int64_t k = first; k < end && cut.exponent != kNoExponent; k += step)
      cut.sum += cut_toward_zero(term_of(product_at(k)).value, cut.exponent, accumulator().bits);
    return cut;
  }

  PRECIPICE_HD float sum_on_matrix_core() const {
    const bool halves = accumulator().halves == 2;
    // 1.
    CutSum terms = sum_cut_terms(begin, halves ? 2 : 1);
    if (halves) {
      const CutSum other = sum_cut_terms(begin + 1, 2);
      terms.exponent = larger(terms.exponent, other.exponent);
      if (terms.exponent != kNoExponent)
        terms.sum = cut_downward(terms.sum, terms.exponent, accumulator().bits) +
                    cut_downward(other.sum, terms.exponent, accumulator().bits);
    }
    // 2.
    const int of_register = carried_exponent();
    const int exponent = larger(larger(terms.exponent, of_register), -126);
    const double kept =
        halves && of_register < exponent - 25 ? 0.0 : cut_downward(static_cast<double>(carried), exponent, 25);
    // 3.
    return static_cast<float>(cut_downward(terms.sum, exponent, 32) + kept);
  }
};

}  // namespace precipice
