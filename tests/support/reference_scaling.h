// SPDX-License-Identifier: Apache-2.0
// Scaling recipes as their systems compute them, one block at a time, as the oracle for
// precision/scaling/block_quantize.h: in doubles that are rounded to binary32 after every operation (which for + - * /
// is the binary32 operation: a double has more than twice the digits), powers of two by ldexp, exponents by frexp, and
// the rounded logarithm by log2l. It shares nothing with the code under test but FloatFormat and the rounding oracle.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "precision/format/float_format.h"
#include "precision/rounding/rounding.h"
#include "tests/support/reference_rounding.h"

namespace precipice::reference {

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kLargestFloat = std::numeric_limits<float>::max();

// A binary32 operation: its exact or double result, rounded.
inline double fl(double x) {
  return static_cast<double>(static_cast<float>(x));
}
inline double bf16(double x) {
  const FloatFormat format{8, 7, 127, Specials::Ieee};
  return round(format, Rounding::NearestEven, Overflow::Native, static_cast<float>(x));
}
inline double nearest(const FloatFormat& format, double x, Overflow overflow = Overflow::Saturate,
                      Rounding rounding = Rounding::NearestEven) {
  return round(format, rounding, overflow, static_cast<float>(x));
}
// floor(log2 v), v > 0.
inline int exact_log2(double v) {
  int exponent;
  std::frexp(v, &exponent);
  return exponent - 1;
}
// torch.log2 of a binary32 (or bf16) number.
inline double log2_of(double v, bool in_bf16 = false) {
  const double log = static_cast<float>(std::log2(static_cast<long double>(v)));
  return in_bf16 ? bf16(log) : log;
}
// E of a binary32 number: its exponent field less the bias.
inline int exponent_field(double v) {
  if (std::isnan(v) || std::isinf(v)) return 128;
  return v < std::ldexp(1.0, -126) ? -127 : exact_log2(v);
}
inline double amax_of(const std::vector<float>& x, bool ignore_nan = false) {
  double largest = 0.0;
  for (const float value : x) {
    if (std::isnan(value) && !ignore_nan) return kNotANumber;
    largest = std::fmax(largest, std::fabs(value));
  }
  return largest;
}

struct Block {
  std::vector<float> q, dq;  // grid values and what they stand for
  float scale = 1.0f;        // dq = q * scale, or q / multiply
  float multiply = 1.0f;
};

// q = rne(x * multiply), dq = q * scale.
inline Block apply(const std::vector<float>& x, const FloatFormat& format, double multiply, double scale,
                   Overflow overflow = Overflow::Saturate) {
  Block block{{}, {}, static_cast<float>(scale), static_cast<float>(multiply)};
  for (const float value : x) {
    const double q = nearest(format, fl(value * multiply), overflow);
    block.q.push_back(static_cast<float>(q));
    block.dq.push_back(static_cast<float>(q * scale));
  }
  return block;
}

enum class MxRule { Floor, Ceil, Rceil, Even };

// torchao to_mx (te = false) and TransformerEngine's MXFP8 reference (te = true, Rceil).
inline Block mx(const std::vector<float>& x, const FloatFormat& format, MxRule rule, bool te) {
  const double max = max_finite(format);
  const int emax = exact_log2(max);
  double amax = amax_of(x, te);
  double code = 0.0;
  if (rule == MxRule::Even) {
    // Half a unit of the mantissa more, truncated: the bits carry into the exponent; subnormals have the units of the
    // smallest normal binade.
    const int e = std::isfinite(amax) && amax > 0.0 ? std::max(exact_log2(amax), -126) : 0;
    const double unit = std::ldexp(1.0, e - format.mantissa_bits);
    if (std::isfinite(amax)) amax = std::floor(amax / unit + 0.5) * unit;
    if (amax > kLargestFloat) amax = kInf;
  }
  if (rule == MxRule::Rceil) {
    const double v = fl(amax * fl(1.0 / max));
    while (code < 255.0 && std::ldexp(1.0, static_cast<int>(code) - 127) < v) code += 1.0;
    if (!std::isfinite(v)) code = te && !std::isnan(v) ? 254.0 : 255.0;
  } else if (!std::isfinite(amax)) {
    code = 255.0;
  } else {
    double k = exponent_field(amax);
    const bool exact = exponent_field(amax) == -127 ? amax == 0.0 : amax == std::ldexp(1.0, exact_log2(amax));
    if (rule == MxRule::Ceil && !exact) k += 1.0;
    code = std::fmin(std::fmax(k - emax, -127.0), 128.0) + 127.0;
  }
  if (code == 255.0) return apply(x, format, kNotANumber, kNotANumber);
  return apply(x, format, std::ldexp(1.0, 127 - static_cast<int>(code)), std::ldexp(1.0, static_cast<int>(code) - 127));
}

enum class MicroxcalingRounding { Nearest, Even, Floor };

// mx_ops.py _quantize_mx and elemwise_ops.py line by line. `bits`: places after the point (M; int8: 6).
inline Block microxcaling(const std::vector<float>& x, const FloatFormat& format, int bits, double max,
                          MicroxcalingRounding rounding, bool in_bf16, bool flush) {
  const auto op = [in_bf16](double value) { return in_bf16 ? bf16(fl(value)) : fl(value); };
  const double amax = amax_of(x);
  const double log = std::floor(log2_of(amax == 0.0 ? std::ldexp(1.0, -126) : amax, in_bf16));
  double s = log - exact_log2(max);
  if (s > 127.0 || std::isnan(s)) s = kNotANumber;
  if (s < -127.0) s = -127.0;
  const double scale = std::isnan(s) ? s : std::ldexp(1.0, static_cast<int>(s));
  Block block{{}, {}, static_cast<float>(scale), static_cast<float>(1.0 / scale)};
  for (const float value : x) {
    const double a = flush && log <= -127.0 ? value * 0.0 : value;
    const double y = op(a / scale);
    double q = y;
    if (!std::isnan(y)) {
      double p = 0.0;
      if (format.exponent_bits > 0)
        p = std::fmax(std::floor(log2_of(y == 0.0 ? 1.0 : std::fabs(y), in_bf16)), 1 - format.bias);
      const double u = std::fabs(op(op(y / std::ldexp(1.0, static_cast<int>(p))) * std::ldexp(1.0, bits)));
      double r = std::floor(op(u + 0.5));
      if (rounding == MicroxcalingRounding::Floor) r = std::floor(u);
      const double half = op(u - 0.5);
      double mod = std::fmod(half, 2.0);
      if (mod < 0.0) mod += 2.0;
      if (rounding == MicroxcalingRounding::Even && mod == 0.0) r -= 1.0;
      const double sign = y > 0.0 ? 1.0 : y < 0.0 ? -1.0 : 0.0;
      q = op(op(sign * r / std::ldexp(1.0, bits)) * std::ldexp(1.0, static_cast<int>(p)));
      if (sign == 0.0) q = 0.0;
      q = std::fmin(std::fmax(q, -max), max);
    }
    block.q.push_back(static_cast<float>(q));
    block.dq.push_back(static_cast<float>(op(q * scale)));
  }
  return block;
}

// Its element functions in C++: exponents from bits, exact rounding, no minus zero.
inline Block microxcaling_cuda(const std::vector<float>& x, const FloatFormat& format, Rounding rounding, bool flush) {
  const double amax = amax_of(x), max = max_finite(format);
  double s = exponent_field(amax) - exact_log2(max);
  if (exponent_field(amax) == 128) s = kNotANumber;
  if (s < -127.0) s = -127.0;
  const double scale = std::isnan(s) ? s : std::ldexp(1.0, static_cast<int>(s));
  Block block{{}, {}, static_cast<float>(scale), static_cast<float>(1.0 / scale)};
  for (const float value : x) {
    const double a = flush && exponent_field(amax) == -127 ? 0.0 : value;
    double q = nearest(format, fl(a / scale), Overflow::Saturate, rounding);
    if (!std::isnan(q)) q = std::fmax(q, -max) + 0.0;
    block.q.push_back(static_cast<float>(q));
    block.dq.push_back(static_cast<float>(q * scale));
  }
  return block;
}

inline double torch_min(double a, double b) {
  return std::isnan(a) ? a : std::fmin(a, b);
}

// NVFP4QuantizerRef and dequantize_nvfp4.cuh; b_first = false is the order of the kernels.
struct Nvfp4Outer {
  double amax, encode, decode;
};
inline Nvfp4Outer te_outer(double amax, double m = 448.0) {
  double encode = torch_min(fl(6.0 * m / amax), kLargestFloat);
  if (encode == 0.0) encode = 1.0;
  return {amax, encode, fl(1.0 / encode)};
}
inline Block te_nvfp4_with(const std::vector<float>& x, double sf, const Nvfp4Outer& outer, double m = 448.0) {
  const FloatFormat e2m1{2, 1, 1, Specials::Finite};
  const double enc = torch_min(fl(1.0 / fl(sf * outer.decode)), kLargestFloat);
  const double scale = fl(fl(sf * outer.amax) * fl(1.0 / (6.0 * m)));
  Block block = apply(x, e2m1, enc, scale);
  for (std::size_t i = 0; i < x.size(); ++i) {
    // cast_to_fp4x2 takes -0.25 <= y < -0 for code 8; -0 and NaN meet none of its conditions but that of code 0.
    const double y = fl(x[i] * enc);
    if (std::isnan(block.q[i]) || y == 0.0) block.q[i] = 0.0f;
    if (block.q[i] == 0.0f) block.q[i] = y < 0.0 ? -0.0f : 0.0f;
    block.dq[i] = static_cast<float>(block.q[i] * scale);
  }
  return block;
}
inline double e4m3_scale(double d) {
  return nearest({4, 3, 7, Specials::Fn}, torch_min(d, 448.0));
}
inline Block te_nvfp4(const std::vector<float>& x, double amax, const Nvfp4Outer& outer) {
  return te_nvfp4_with(x, e4m3_scale(fl(amax * fl(outer.encode * fl(1.0 / 6.0)))), outer);
}

inline Block torchao_nvfp4(const std::vector<float>& x, double tensor_amax, bool two_level) {
  const FloatFormat e2m1{2, 1, 1, Specials::Finite};
  const double p = fl(tensor_amax / 2688.0);
  double d = fl(amax_of(x) / 6.0);
  if (two_level) d = fl(d / p);
  const double clamped = std::isnan(d) ? d : std::fmin(std::fmax(d, std::ldexp(1.0, -6)), 448.0);
  const double sf = nearest({4, 3, 7, Specials::Fn}, clamped);
  const double r = two_level ? fl(fl(1.0 / p) / sf) : fl(1.0 / sf);
  const double scale = two_level ? fl(p * sf) : sf;
  Block block = apply(x, e2m1, r, scale);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(block.q[i])) block.q[i] = -1.5f;  // code 0xB
    block.dq[i] = static_cast<float>(block.q[i] * scale);
  }
  return block;
}

// deep_gemm/utils/math.py; `up`: ue8m0.
inline double deepgemm_scale(double amax, double max, double floor, bool up) {
  const double sf = fl((std::isnan(amax) ? amax : std::fmax(amax, fl(floor))) / max);
  if (!up) return sf;
  if (std::isnan(sf) || std::isinf(sf)) return std::ldexp(1.0, 127);
  int k = -126;
  while (k < 127 && std::ldexp(1.0, k) < sf) ++k;
  return std::ldexp(1.0, k);
}

}  // namespace precipice::reference
