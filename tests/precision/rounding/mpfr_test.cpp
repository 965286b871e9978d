// SPDX-License-Identifier: Apache-2.0
// Rounding from binary64 against MPFR (Fousse et al., ACM TOMS 33(2), 2007): correctly rounded to the format's
// precision within its exponent range, subnormals by mpfr_subnormalize, which knows how the first rounding went.
// IEEE-like formats in the IEEE modes. Nearest-away, which MPFR's assignments do not have, is mpfr_round (halves away
// from zero) of x / quantum at a precision that loses nothing.
#include <fmt/format.h>
#include <mpfr.h>

#include <cmath>
#include <limits>

#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_rounding.h"

namespace precipice::test {
namespace {

// One format; MPFR's exponents count from a significand in [1/2, 1). Its exponent range is global: one at a time.
class MpfrFormat {
 public:
  explicit MpfrFormat(const FloatFormat& f) : f_(f) {
    mpfr_init2(rounded_, f_.precision());
    mpfr_init2(scaled_, 64);
    mpfr_init2(integer_, 64);
  }
  ~MpfrFormat() { mpfr_clears(rounded_, scaled_, integer_, static_cast<mpfr_ptr>(nullptr)); }
  MpfrFormat(const MpfrFormat&) = delete;
  MpfrFormat& operator=(const MpfrFormat&) = delete;

  float round(Rounding rounding, double x) {
    return rounding == Rounding::NearestAway ? round_nearest_away(x) : assign(x, direction(rounding));
  }

 private:
  static mpfr_rnd_t direction(Rounding rounding) {
    switch (rounding) {
      case Rounding::TowardZero:
        return MPFR_RNDZ;
      case Rounding::Up:
        return MPFR_RNDU;
      case Rounding::Down:
        return MPFR_RNDD;
      default:
        return MPFR_RNDN;
    }
  }

  float assign(double x, mpfr_rnd_t direction) {
    const mpfr_exp_t emin = mpfr_get_emin(), emax = mpfr_get_emax();
    mpfr_set_emin(f_.emin() - f_.mantissa_bits + 1);
    mpfr_set_emax(f_.emax() + 1);
    const int first = mpfr_set_d(rounded_, x, direction);
    mpfr_subnormalize(rounded_, first, direction);
    const float result = mpfr_get_flt(rounded_, MPFR_RNDN);
    mpfr_set_emin(emin);
    mpfr_set_emax(emax);
    return result;
  }

  float round_nearest_away(double x) {
    if (!std::isfinite(x) || x == 0.0) return static_cast<float>(x);
    mpfr_set_d(scaled_, x, MPFR_RNDN);
    const long quantum = std::max<long>(mpfr_get_exp(scaled_) - 1, f_.emin()) - f_.mantissa_bits;
    mpfr_div_2si(scaled_, scaled_, quantum, MPFR_RNDN);
    mpfr_round(integer_, scaled_);
    mpfr_mul_2si(integer_, integer_, quantum, MPFR_RNDN);
    const double result = mpfr_get_d(integer_, MPFR_RNDN);
    const double beyond = std::copysign(std::numeric_limits<double>::infinity(), x);
    return static_cast<float>(std::fabs(result) > f_.max_finite() ? beyond : std::copysign(result, x));
  }

  FloatFormat f_;
  mpfr_t rounded_, scaled_, integer_;
};

// Random doubles in and around the range, values, midpoints, and both a relative 2^-40 above and below.
double draw(const FloatFormat& f, Stream& stream) {
  const auto below = [&stream](int n) { return static_cast<int>(stream.next() % static_cast<std::uint32_t>(n)); };
  const double sign = stream.next() % 2 == 0 ? 1.0 : -1.0;
  const int lowest = f.emin() - f.mantissa_bits - 3;
  if (below(3) == 0) {
    const double significand = 1.0 + std::ldexp(stream.next(), -32) + std::ldexp(stream.next() >> 12, -52);
    return sign * std::ldexp(significand, lowest + below(f.emax() - lowest + 4));
  }
  // A code of any binade, up to the one that would follow the largest.
  const auto field = static_cast<std::uint32_t>(below(f.emax() - f.emin() + 2));
  const std::uint32_t code =
      std::min((field << f.mantissa_bits) + (stream.next() >> 9) % (1u << f.mantissa_bits), top_code(f));
  const double value = reference::value_of_code(f, code), next = reference::value_of_code(f, code + 1.0);
  const double base = below(4) == 0 ? value : (value + next) / 2.0;
  return sign * base * (1.0 + (below(3) - 1) * 0x1p-40);
}

void check_format(const FloatFormat& f, int count) {
  MpfrFormat mpfr(f);
  const WideFormatConstants constants = prepare_wide(f, Overflow::Native);
  Stream stream{static_cast<std::uint64_t>(f.mantissa_bits)};
  std::string first_difference;
  int ties = 0, inexact = 0;
  for (int i = 0; i < count; ++i) {
    const double x = draw(f, stream);
    for (const Rounding rounding :
         {Rounding::NearestEven, Rounding::NearestAway, Rounding::TowardZero, Rounding::Up, Rounding::Down}) {
      const float actual = round_as(rounding, x, constants), expected = mpfr.round(rounding, x);
      if (bits_of(actual) != bits_of(expected) && first_difference.empty())
        first_difference =
            fmt::format("{} {}: {:a} -> {:a}, not {:a}", to_string(f), to_string(rounding), x, actual, expected);
    }
    const double away = mpfr.round(Rounding::NearestAway, x), even = mpfr.round(Rounding::NearestEven, x);
    ties += away != even;
    inexact += even != x;
  }
  CHECK(first_difference == "");
  CHECK(ties > count / 20);  // so that the inputs are what they should be: a sixth are midpoints, half of them to odd
  CHECK(inexact > count / 2);
}

}  // namespace

TEST_CASE("10^5 doubles, ties and near ties among them, round as MPFR rounds them, for IEEE-like formats") {
  std::vector<FloatFormat> formats;
  for (const PresetFormat& preset : preset_formats())
    if (preset.format.specials == Specials::Ieee) formats.push_back(preset.format);
  CHECK(formats.size() == 7);
  for (const char* name : {"e8m22", "e2m23:bias=90", "e6m1", "e5m7:bias=-90"})
    formats.push_back(parse_float_format(name));
  for (const FloatFormat& format : formats) check_format(format, 100000);
}

}  // namespace precipice::test
