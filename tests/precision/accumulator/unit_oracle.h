// SPDX-License-Identifier: Apache-2.0
// One output of a unit of hardware in plain integers, from the rules of docs/ACCUMULATORS.md: every operand as a whole
// number times a power of two, every step a shift. It shares no line with the program.
#pragma once

#include <algorithm>
#include <bit>
#include <climits>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/precision/rounding/support.h"
#include "tests/support/exact_sum.h"

namespace precipice::test {

// What the tables of the document say of a unit.
struct UnitRule {
  int block, fraction_bits, output_bits, lowest;
  bool carried_added = false;
};

struct UnitOperands {
  std::vector<float> a, b;
  int emin_a, emin_b;
  std::vector<float> scales_a, scales_b;  // one for each `scale_block` products, or none
  int scale_block = 0;
};

class UnitOracle {
 public:
  using Wide = __int128;

  // x / 2^place as a whole number toward zero, of x = significand 2^exponent.
  static Wide cut(Wide significand, int exponent, int place) {
    const int shift = exponent - place;
    if (shift >= 0) return significand << shift;
    if (-shift > 120) return 0;
    const Wide magnitude = (significand < 0 ? -significand : significand) >> -shift;
    return significand < 0 ? -magnitude : magnitude;
  }
  static Wide floor(Wide significand, int exponent, int place) {
    const int shift = exponent - place;
    if (shift >= 0) return significand << shift;
    return -shift > 120 ? (significand < 0 ? -1 : 0) : significand >> -shift;
  }
  // floor(log2 |x|), not below emin; of zero INT_MIN.
  static int exponent(float x, int emin) {
    const reference::Term term = reference::term_of(x);
    return term.significand == 0 ? INT_MIN : std::max(reference::log2_of(term), emin);
  }
  // sum * 2^place with so many fraction bits after the leading one, toward zero, as binary32.
  static float to_binary32(Wide sum, int place, int fraction_bits) {
    const bool negative = sum < 0;
    auto magnitude = static_cast<unsigned __int128>(negative ? -sum : sum);
    if (magnitude == 0) return 0.0f;
    int top = 0;
    for (unsigned __int128 m = magnitude; m > 1; m >>= 1) ++top;
    const int last = std::max(top + place, -126) - fraction_bits;  // the place of the last bit that is kept
    if (last - place > 120) return 0.0f;
    if (last > place) {
      magnitude >>= last - place;
      place = last;
    }
    if (magnitude == 0) return 0.0f;  // a zero result is +0, whatever the signs
    const double x = std::ldexp(static_cast<double>(static_cast<std::uint64_t>(magnitude)), place);
    if (x >= 0x1p128) return negative ? -HUGE_VALF : HUGE_VALF;
    return static_cast<float>(negative ? -x : x);
  }
  // To nearest even.
  static float nearest(Wide sum, int place) {
    // In two halves of 60 bits, of which the lower keeps whether anything is below.
    const bool negative = sum < 0;
    auto magnitude = static_cast<unsigned __int128>(negative ? -sum : sum);
    bool rest = false;
    while (magnitude >> 60 != 0) {
      rest |= (magnitude & 1) != 0;
      magnitude >>= 1, ++place;
    }
    reference::ExactSum exact;
    // One more place for what was lost.
    exact.add({static_cast<std::int64_t>(2 * static_cast<std::uint64_t>(magnitude) + (rest ? 1 : 0)), place - 1});
    const float x = reference::round(FloatFormat{}, Rounding::NearestEven, Overflow::Native, exact);
    return negative ? -x : x;
  }

  static float scale_of(const std::vector<float>& scales, const UnitOperands& x, std::size_t k) {
    return scales.empty() ? 1.0f : scales[k / static_cast<std::size_t>(x.scale_block)];
  }

  // NVIDIA: blocks in the order of k.
  static float tensor_core(const UnitRule& rule, const UnitOperands& x, float carried) {
    float d = carried;
    for (std::size_t first = 0; first < x.a.size(); first += static_cast<std::size_t>(rule.block))
      d = block(rule, x, first, std::min(x.a.size(), first + static_cast<std::size_t>(rule.block)), d);
    return d;
  }

  static float block(const UnitRule& rule, const UnitOperands& x, std::size_t first, std::size_t end, float carried) {
    double ieee = carried;
    int e = rule.lowest;
    if (!rule.carried_added) e = std::max(e, exponent(carried, -126));
    for (std::size_t k = first; k < end; ++k) {
      const float scale_a = scale_of(x.scales_a, x, k), scale_b = scale_of(x.scales_b, x, k);
      ieee += static_cast<double>(x.a[k]) * static_cast<double>(x.b[k]) * static_cast<double>(scale_a) *
              static_cast<double>(scale_b);
      const int of_a = exponent(x.a[k], x.emin_a), of_b = exponent(x.b[k], x.emin_b);
      if (of_a == INT_MIN || of_b == INT_MIN) continue;
      e = std::max(e, of_a + of_b + exponent(scale_a, -1000) + exponent(scale_b, -1000));
    }
    if (!std::isfinite(ieee)) return static_cast<float>(ieee);
    const int place = e - rule.fraction_bits;
    Wide sum = 0;
    for (std::size_t k = first; k < end; ++k) {
      const reference::Term product = reference::product_of(x.a[k], x.b[k]);
      // Scales are powers of two here.
      const int scale = exponent(scale_of(x.scales_a, x, k), -1000) + exponent(scale_of(x.scales_b, x, k), -1000);
      sum += cut(product.significand, product.exponent + scale, place);
    }
    const reference::Term c = reference::term_of(carried);
    if (!rule.carried_added) return to_binary32(sum + cut(c.significand, c.exponent, place), place, rule.output_bits);
    return static_cast<float>(static_cast<double>(carried) +
                              static_cast<double>(to_binary32(sum, place, rule.output_bits)));
  }

  // Blackwell's mxf4nvf4: 64 products in groups of 16 with a scale each.
  static float nvf4(const UnitOperands& x, float carried) {
    float d = carried;
    for (std::size_t first = 0; first < x.a.size(); first += 64) {
      const std::size_t end = std::min(x.a.size(), first + 64);
      int e = std::max(-133, exponent(d, -126));
      bool is_nan = std::isnan(d);
      for (std::size_t k = first; k < end; k += 16) {
        const float a = scale_of(x.scales_a, x, k), b = scale_of(x.scales_b, x, k);
        is_nan |= std::isnan(a) || std::isnan(b);
        if (!is_nan && a != 0.0f && b != 0.0f) e = std::max(e, exponent(a, -6) + exponent(b, -6));
      }
      if (is_nan) return std::numeric_limits<float>::quiet_NaN();
      const int place = e - 35;
      const reference::Term c = reference::term_of(d);
      Wide sum = cut(c.significand, c.exponent, place);
      for (std::size_t k = first; k < end; k += 16) {
        std::int64_t quarters = 0;  // E2M1's products are whole quarters
        for (std::size_t i = k; i < std::min(end, k + 16); ++i)
          quarters += static_cast<std::int64_t>(x.a[i] * 2.0f) * static_cast<std::int64_t>(x.b[i] * 2.0f);
        const reference::Term scale = reference::product_of(scale_of(x.scales_a, x, k), scale_of(x.scales_b, x, k));
        sum += cut(Wide{quarters} * scale.significand, scale.exponent - 2, place);
      }
      d = to_binary32(sum, place, 23);
    }
    return d;
  }

  // AMD's CDNA3.
  static float cdna3(const UnitOperands& x, int block, bool fp8, float carried) {
    float d = carried;
    for (std::size_t first = 0; first < x.a.size(); first += static_cast<std::size_t>(block))
      d = cdna3_block(x, first, std::min(x.a.size(), first + static_cast<std::size_t>(block)), fp8, d);
    return d;
  }

  static float cdna3_block(const UnitOperands& x, std::size_t first, std::size_t end, bool fp8, float carried) {
    double ieee = carried;
    for (std::size_t k = first; k < end; ++k) {
      const double product = static_cast<double>(x.a[k]) * static_cast<double>(x.b[k]);
      ieee += std::fabs(product) >= 0x1p128 ? std::copysign(HUGE_VAL, product) : product;
    }
    if (!std::isfinite(ieee)) return static_cast<float>(ieee);
    // Each part: its exponent and the whole number of its units.
    struct Part {
      int e = INT_MIN;
      Wide sum = 0;
    };
    const std::size_t step = fp8 ? 2 : 1;
    std::vector<Part> parts(step);
    for (std::size_t p = 0; p < step; ++p) {
      for (std::size_t k = first + p; k < end; k += step) {
        const int of_a = exponent(x.a[k], x.emin_a), of_b = exponent(x.b[k], x.emin_b);
        if (of_a != INT_MIN && of_b != INT_MIN) parts[p].e = std::max(parts[p].e, of_a + of_b);
      }
      if (parts[p].e == INT_MIN) continue;
      for (std::size_t k = first + p; k < end; k += step) {
        const reference::Term product = reference::product_of(x.a[k], x.b[k]);
        parts[p].sum += cut(product.significand, product.exponent, parts[p].e - 24);
      }
    }
    Part whole = parts[0];
    if (fp8) {
      whole.e = std::max(parts[0].e, parts[1].e);
      whole.sum = 0;
      for (const Part& part : parts)
        if (part.e != INT_MIN) whole.sum += floor(part.sum, part.e - 24, whole.e - 24);
    }
    const int e_c = exponent(carried, -126);
    const int e = std::max({whole.e, e_c, -126});
    const int place = e - 31;
    Wide sum = whole.e == INT_MIN ? 0 : floor(whole.sum, whole.e - 24, place);
    const reference::Term c = reference::term_of(carried);
    const bool counts = carried != 0.0f && !(fp8 && e_c < e - 25);
    if (counts) sum += floor(c.significand, c.exponent, e - 24) << 7;
    return nearest(sum, place);
  }
};

}  // namespace precipice::test
