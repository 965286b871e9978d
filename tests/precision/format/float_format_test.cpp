// SPDX-License-Identifier: Apache-2.0
// FloatFormat: published constants (OCP OFP8, OCP MX, IEEE 754), codes, spellings and what is refused.
#include "precision/format/float_format.h"

#include <set>

#include "precision/base/check.h"
#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_rounding.h"

namespace precipice::test {
namespace {

std::string problem_of(const std::string& text) {
  try {
    parse_float_format(text);
  } catch (const ConfigError& error) {
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  return "accepted";
}

void check_refused(const std::string& text, const std::string& because) {
  INFO(text << ": " << problem_of(text));
  CHECK(problem_of(text).find(because) != std::string::npos);
}

}  // namespace

TEST_CASE("presets have the published limits") {
  struct Published {
    const char* name;
    int bits;
    float max_finite, min_normal, min_positive;
    bool infinity, nan;
  };
  for (const Published& p : {Published{"fp32", 32, 0x1.fffffep127f, 0x1p-126f, 0x1p-149f, true, true},
                             Published{"tf32", 19, 0x1.ffcp127f, 0x1p-126f, 0x1p-136f, true, true},
                             Published{"bf16", 16, 0x1.fep127f, 0x1p-126f, 0x1p-133f, true, true},
                             Published{"fp16", 16, 65504.0f, 0x1p-14f, 0x1p-24f, true, true},
                             Published{"e5m2", 8, 57344.0f, 0x1p-14f, 0x1p-16f, true, true},
                             Published{"e4m3", 8, 448.0f, 0x1p-6f, 0x1p-9f, false, true},
                             Published{"e4m3fnuz", 8, 240.0f, 0x1p-7f, 0x1p-10f, false, true},
                             Published{"e5m2fnuz", 8, 57344.0f, 0x1p-15f, 0x1p-17f, false, true},
                             Published{"e3m4", 8, 15.5f, 0x1p-2f, 0x1p-6f, true, true},
                             Published{"e3m2", 6, 28.0f, 0x1p-2f, 0x1p-4f, false, false},
                             Published{"e2m3", 6, 7.5f, 1.0f, 0.125f, false, false},
                             Published{"e2m1", 4, 6.0f, 1.0f, 0.5f, false, false},
                             Published{"e4m3b11fnuz", 8, 30.0f, 0x1p-10f, 0x1p-13f, false, true},
                             Published{"gaudi_e4m3", 8, 240.0f, 0x1p-6f, 0x1p-9f, true, true},
                             Published{"hfp8_e4m3", 8, 480.0f, 0x1p-6f, 0x1p-9f, false, false},
                             Published{"dlfloat16", 16, 0x1.ffp32f, 0x1.008p-31f, 0x1.008p-31f, false, true},
                             Published{"e8m0", 8, 0x1p127f, 0x1p-127f, 0x1p-127f, false, true},
                             Published{"binary8p1", 8, 0x1p62f, 0x1p-63f, 0x1p-63f, true, true},
                             Published{"binary8p3", 8, 49152.0f, 0x1p-15f, 0x1p-17f, true, true},
                             Published{"binary8p4", 8, 224.0f, 0x1p-7f, 0x1p-10f, true, true},
                             Published{"binary8p7", 8, 1.96875f, 1.0f, 0x1p-6f, true, true},
                             Published{"int8", 8, 127.0f, 1.0f, 1.0f, false, false},
                             Published{"int4twos", 4, 7.0f, 1.0f, 1.0f, false, false},
                             Published{"mxint8", 8, 1.984375f, 0x1p-6f, 0x1p-6f, false, false}}) {
    INFO(p.name);
    const FloatFormat format = parse_float_format(p.name);
    CHECK(format.bits() == p.bits);
    CHECK(format.max_finite() == p.max_finite);
    CHECK(format.min_normal() == p.min_normal);
    CHECK(format.min_positive() == p.min_positive);
    CHECK(format.has_infinity() == p.infinity);
    CHECK(format.has_nan() == p.nan);
  }
  CHECK(preset_names().size() == 29);
  CHECK(parse_float_format("e4m3").emax() == 8);
  CHECK(parse_float_format("e4m3").emin() == -6);
  CHECK(parse_float_format("fp32").is_fp32());
}

TEST_CASE("constants follow from the fields for every format") {
  std::vector<FloatFormat> formats = random_formats(200, 32);
  for (const std::string& name : formats_up_to_16_bits()) formats.push_back(parse_float_format(name));
  for (const FloatFormat& format : formats) {
    INFO(to_string(format));
    CHECK(format.max_finite() == reference::max_finite(format));
    CHECK(format.emax() == std::ilogb(reference::max_finite(format)));
    CHECK(format.min_normal() == reference::min_normal(format));
    const bool keep = format.subnormals == Subnormals::Keep;
    CHECK(format.min_positive() == (keep ? reference::value_of_code(format, 1.0) : reference::min_normal(format)));
  }
  CHECK(!parse_float_format("e5m0").has_nan());  // exponent all ones is infinity, and there is no mantissa for a NaN
  CHECK(parse_float_format("e5m0").has_infinity());
  CHECK(parse_float_format("int8twos").lowest() == -128.0f);
  CHECK(parse_float_format("int8").lowest() == -127.0f);
  CHECK(parse_float_format("e4m3:sign=unsigned").lowest() == 0.0f);
  CHECK(is_nan(parse_float_format("e8m0").lowest()));
}

namespace {

// What a code means, from the definitions, with NaN for every NaN.
double meaning(const FloatFormat& format, std::uint32_t code) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const std::uint32_t half = 1u << (format.exponent_bits + format.mantissa_bits);
  if (format.sign == Sign::Twos)
    return std::ldexp(code < half ? code : code - 2.0 * half, 1 - format.bias - format.mantissa_bits);
  const double sign = code >= half ? -1.0 : 1.0, count = reference::count_of_numbers(format);
  const std::uint32_t magnitude = code % half;
  const bool one_nan = format.specials == Specials::Fnuz || format.specials == Specials::P3109;
  if (one_nan && code == (format.sign == Sign::Unsigned ? half - 1 : half)) return nan;
  if (magnitude >= count) {
    if (format.specials == Specials::Ieee) return magnitude == count ? sign * inf : nan;
    return format.specials == Specials::P3109 ? sign * inf : nan;
  }
  const double value = reference::value_of_code(format, magnitude);
  const bool flushed = format.subnormals != Subnormals::Keep && value < reference::min_normal(format);
  if (flushed) return one_nan ? 0.0 : sign * 0.0;
  return sign * value;
}

}  // namespace

TEST_CASE("codes of up to 16 bits mean what the definitions say and encode to themselves") {
  std::vector<FloatFormat> formats = random_formats(40, 16);
  for (const std::string& name : formats_up_to_16_bits()) formats.push_back(parse_float_format(name));
  for (const PresetFormat& preset : preset_formats())
    if (preset.format.bits() <= 16) formats.push_back(preset.format);
  for (const FloatFormat& format : formats) {
    INFO(to_string(format));
    const CodeConstants constants = prepare_codes(format);
    int wrong_values = 0, not_identity = 0, unchecked_differs = 0;
    for (std::uint32_t code = 0; code < 1u << format.bits(); ++code) {
      const float value = decode(format, code);
      const double expected = meaning(format, code);
      const bool both_nan = is_nan(value) && std::isnan(expected);
      wrong_values += !both_nan && (value != expected || std::signbit(value) != std::signbit(expected));
      unchecked_differs += encode_value(constants, value) != encode(format, value);
      // Flushed codes are read as zero, which has a code of its own; of several NaNs each keeps its payload.
      const bool flushed = value == 0.0f && reference::value_of_code(format, code % (1u << (format.bits() - 1))) != 0.0;
      if (!(flushed && format.subnormals != Subnormals::Keep)) not_identity += encode(format, value) != code;
    }
    CHECK(wrong_values == 0);
    CHECK(not_identity == 0);
    CHECK(unchecked_differs == 0);
  }
}

TEST_CASE("codes of wider formats encode and decode to themselves") {
  Stream stream{3};
  for (const char* name : {"tf32", "fp32", "e8m22", "e0m23", "e0m23:sign=twos,lsb=-20", "e8m23:sign=unsigned"}) {
    const FloatFormat format = parse_float_format(name);
    int wrong = 0;
    for (int i = 0; i < 100000; ++i) {
      const std::uint32_t code = stream.next() >> (32 - format.bits());
      wrong += encode(format, decode(format, code)) != code;
    }
    INFO(name);
    CHECK(wrong == 0);
  }
}

TEST_CASE("special codes are those of the specifications") {
  const FloatFormat e4m3 = parse_float_format("e4m3"), e5m2 = parse_float_format("e5m2");
  CHECK(is_nan(decode(e4m3, 0x7F)));
  CHECK(is_nan(decode(e4m3, 0xFF)));
  CHECK(decode(e4m3, 0x7E) == 448.0f);
  CHECK(decode(e4m3, 0x01) == 0x1p-9f);
  CHECK(decode(e5m2, 0x7C) == std::numeric_limits<float>::infinity());
  CHECK(decode(e5m2, 0xFC) == -std::numeric_limits<float>::infinity());
  CHECK(is_nan(decode(e5m2, 0x7D)));
  CHECK(is_nan(decode(parse_float_format("e4m3fnuz"), 0x80)));
  CHECK(decode(parse_float_format("e4m3fnuz"), 0x7F) == 240.0f);
  CHECK(encode(e4m3, -std::numeric_limits<float>::quiet_NaN()) == 0xFF);
  CHECK(encode(parse_float_format("fp32"), 1.0f) == 0x3F800000u);
}

TEST_CASE("encode refuses what is not a value of the format") {
  const FloatFormat e4m3 = parse_float_format("e4m3");
  const float inf = std::numeric_limits<float>::infinity();
  for (const float x : {1.0625f, 480.0f, 449.0f, 0x1p-10f, 0x1p-140f, 1e30f, inf})
    CHECK_THROWS_AS(encode(e4m3, x), ContractError);
  CHECK_THROWS_AS(encode(parse_float_format("e4m3fnuz"), -0.0f), ContractError);
  CHECK_THROWS_AS(encode(parse_float_format("e2m1"), std::numeric_limits<float>::quiet_NaN()), ContractError);
  CHECK_THROWS_AS(encode(parse_float_format("e4m3:subnormals=flush"), 0x1p-9f), ContractError);
  CHECK_THROWS_AS(decode(e4m3, 0x100), ContractError);
}

TEST_CASE("spellings mean what they say, and the shortest one comes back") {
  CHECK(parse_float_format("e4m3") == FloatFormat{4, 3, 7, Specials::Fn, Subnormals::Keep});
  CHECK(parse_float_format("e8m23").is_fp32());
  CHECK(parse_float_format("e8m3") == FloatFormat{8, 3, 127, Specials::Ieee, Subnormals::Keep});
  CHECK(parse_float_format("e4m3:specials=fnuz,bias=8") == parse_float_format("e4m3fnuz"));
  CHECK(parse_float_format("e5m2:subnormals=flush").subnormals == Subnormals::Flush);
  CHECK(to_string(parse_float_format("e8m7")) == "bf16");
  CHECK(to_string(parse_float_format("e4m3:specials=fnuz,bias=8")) == "e4m3fnuz");
  CHECK(to_string(parse_float_format("e4m3:subnormals=flush,bias=9")) == "e4m3:bias=9,subnormals=flush");
  CHECK(to_string(parse_float_format("e1m3")) == "e1m3");
  CHECK(parse_float_format("q1.6") == parse_float_format("int8:lsb=-6"));
  CHECK(to_string(parse_float_format("int8:lsb=-6")) == "q1.6");
  CHECK(to_string(parse_float_format("e0m7:lsb=-6,sign=twos")) == "mxint8");
  CHECK(to_string(parse_float_format("binary8p3:specials=fnuz")) == "e5m2fnuz");
  std::set<std::string> spellings;
  for (const std::string& name : kSmallFormats) {
    const FloatFormat format = parse_float_format(name);
    CHECK(parse_float_format(to_string(format)) == format);
    CHECK(to_string(format).size() <= name.size());
    spellings.insert(to_string(format));
  }
  CHECK(spellings.size() == kSmallFormats.size());
  for (const FloatFormat& format : random_formats(500, 32)) CHECK(parse_float_format(to_string(format)) == format);
}

TEST_CASE("impossible formats are refused with what is allowed") {
  check_refused("", "eXmY with X 0 to 8");
  check_refused("e9m3", "exponent bits must be 0 to 8, not 9");
  check_refused("e0m0", "e0m0 has no digits");
  check_refused("e-1m3", "exponent bits must be 0 to 8, not -1");
  check_refused("e4m24", "mantissa bits must be 0 to 23, not 24");
  check_refused("e4m-1", "mantissa bits must be 0 to 23, not -1");
  check_refused("e4m3:bias=999", "-112 to 127");
  check_refused("e4m3:bias=128", "-112 to 127");
  check_refused("e4m3:bias=99999999", "between -1000 and 1000");
  check_refused("e4m3:lsb=-3", "lsb is for fixed point");
  check_refused("int8:lsb=200", "lsb of e0m7 must be -133 to 120");
  check_refused("int8:lsb=0,bias=-6", "give one");
  check_refused("e4m3:sign=twos", "fixed point");
  check_refused("int8:specials=fn", "specials=finite");
  check_refused("int8:subnormals=flush", "subnormals=keep");
  check_refused("e4m3:zero=no", "sign=unsigned,subnormals=none only");
  check_refused("dlfloat16:bias=127", "-64 to 126");
  check_refused("q24.0", "qI.F");
  check_refused("e8m3:subnormals=none,specials=finite", "beyond binary32");
  check_refused("e4m3:bias=1.5", "whole number");
  check_refused("e4m3:bias=", "whole number");
  check_refused("e4m3:foo=1", "options are bias=, lsb=, specials=, subnormals=, sign=, zero=");
  check_refused("e4m3:special=fn", "did you mean specials?");
  check_refused("e4m3:specials=inf", "ieee, fn, fnuz, finite, p3109");
  check_refused("e4m3:subnormals=flsh", "did you mean flush?");
  check_refused("e4m3:", "is not an option");
  check_refused("e4m3:bias=7,", "is not an option");
  check_refused("e4m3:bias=7,bias=8", "given twice");
  check_refused("e8m3:specials=fn", "beyond binary32");
  check_refused("e1m3:specials=ieee", "no normal number");
  check_refused("e1m0:specials=fn", "no normal number");
  check_refused("bf61", "did you mean bf16?");
  check_refused("e4", "eXmY");
  check_refused("em", "eXmY");
  check_refused("e4m3 ", "eXmY");
  check_refused("e99999999999999999999m3", "eXmY");
  check_refused(std::string(100000, 'e'), "eXmY");
  check_refused("e4m3\n\x1b[2J", "eXmY");
}

TEST_CASE("rounding and overflow words are read in both directions and refused with the nearest one") {
  for (const char* word : {"rne", "rna", "rtz", "rup", "rdn", "rto", "sr", "sr-b", "sr-c"})
    CHECK(to_string(parse_rounding(word)) == word);
  for (const char* word : {"saturate", "native", "propagate"}) CHECK(to_string(parse_overflow(word)) == word);
  CHECK_THROWS_WITH(parse_rounding("rnee"),
                    "rounding must be one of rne, rna, rtz, rup, rdn, rto, sr, sr-b, sr-c; \"rnee\" is not "
                    "(did you mean rne?)");
  CHECK_THROWS_AS(parse_rounding(""), ConfigError);
  CHECK_THROWS_AS(parse_overflow("saturated"), ConfigError);
}

}  // namespace precipice::test
