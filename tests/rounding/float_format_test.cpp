// SPDX-License-Identifier: Apache-2.0
// FloatFormat: published constants (OCP OFP8, OCP MX, IEEE 754), codes, spellings and what is refused.
#include "precision/float_format.h"

#include <set>

#include "precision/check.h"
#include "tests/rounding/support.h"
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
    float max_finite, min_normal, min_subnormal;
    bool infinity, nan;
  };
  for (const Published& p :
       {Published{"fp32", 32, 0x1.fffffep127f, 0x1p-126f, 0x1p-149f, true, true},
        Published{"tf32", 19, 0x1.ffcp127f, 0x1p-126f, 0x1p-136f, true, true},
        Published{"bf16", 16, 0x1.fep127f, 0x1p-126f, 0x1p-133f, true, true},
        Published{"fp16", 16, 65504.0f, 0x1p-14f, 0x1p-24f, true, true},
        Published{"e5m2", 8, 57344.0f, 0x1p-14f, 0x1p-16f, true, true},
        Published{"e4m3", 8, 448.0f, 0x1p-6f, 0x1p-9f, false, true},
        Published{"e4m3fnuz", 8, 240.0f, 0x1p-7f, 0x1p-10f, false, true},
        Published{"e5m2fnuz", 8, 57344.0f, 0x1p-15f, 0x1p-17f, false, true},
        Published{"e3m4", 8, 15.5f, 0x1p-2f, 0x1p-6f, true, true},
        Published{"e3m2", 6, 28.0f, 0x1p-2f, 0x1p-4f, false, false},
        Published{"e2m3", 6, 7.5f, 1.0f, 0.125f, false, false}, Published{"e2m1", 4, 6.0f, 1.0f, 0.5f, false, false}}) {
    INFO(p.name);
    const FloatFormat format = parse_float_format(p.name);
    CHECK(format.bits() == p.bits);
    CHECK(format.max_finite() == p.max_finite);
    CHECK(format.min_normal() == p.min_normal);
    CHECK(format.min_subnormal() == p.min_subnormal);
    CHECK(format.has_infinity() == p.infinity);
    CHECK(format.has_nan() == p.nan);
  }
  CHECK(preset_names().size() == 12);
  CHECK(parse_float_format("e4m3").emax() == 8);
  CHECK(parse_float_format("e4m3").emin() == -6);
  CHECK(parse_float_format("fp32").is_fp32());
}

TEST_CASE("constants follow from the fields for every format") {
  for (const std::string& name : formats_up_to_16_bits()) {
    INFO(name);
    const FloatFormat format = parse_float_format(name);
    CHECK(format.max_finite() == reference::max_finite(format));
    CHECK(format.emax() == std::ilogb(reference::max_finite(format)));
    CHECK(format.min_normal() == std::ldexp(1.0, 1 - format.bias));
    const bool flush = format.subnormals == Subnormals::Flush;
    CHECK(format.min_subnormal() == std::ldexp(1.0, 1 - format.bias - (flush ? 0 : format.mantissa_bits)));
  }
  CHECK(!parse_float_format("e5m0").has_nan());  // exponent all ones is infinity, and there is no mantissa for a NaN
  CHECK(parse_float_format("e5m0").has_infinity());
}

TEST_CASE("codes of up to 16 bits decode to the format's values, ascending, and encode to themselves") {
  for (const std::string& name : formats_up_to_16_bits()) {
    INFO(name);
    const FloatFormat format = parse_float_format(name);
    const bool flush = format.subnormals == Subnormals::Flush;
    const std::vector<double> values = reference::values(format);  // the last one is beyond the format
    const std::uint32_t sign = 1u << (format.bits() - 1);
    int wrong_values = 0, not_identity = 0;
    std::size_t finite = 0;
    for (std::uint32_t code = 0; code < 2 * sign; ++code) {
      const float value = decode(format, code);
      const bool subnormal = (code & (sign - 1)) != 0 && (code & (sign - 1)) >> format.mantissa_bits == 0;
      if (!is_nan(value) && std::fabs(value) <= format.max_finite()) {
        const std::uint32_t index = code & (sign - 1);
        const double magnitude = flush && subnormal ? 0.0 : values[index];
        wrong_values += value != ((code & sign) != 0 ? -magnitude : magnitude);
        ++finite;
      }
      if (!(flush && subnormal)) not_identity += encode(format, value) != code;
    }
    CHECK(wrong_values == 0);
    CHECK(not_identity == 0);
    CHECK(finite == 2 * (values.size() - 1) - (format.specials == Specials::Fnuz ? 1 : 0));
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
  std::set<std::string> spellings;
  for (const std::string& name : kSmallFormats) {
    const FloatFormat format = parse_float_format(name);
    CHECK(parse_float_format(to_string(format)) == format);
    CHECK(to_string(format).size() <= name.size());
    spellings.insert(to_string(format));
  }
  CHECK(spellings.size() == kSmallFormats.size());
}

TEST_CASE("impossible formats are refused with what is allowed") {
  check_refused("", "eXmY with X 1 to 8");
  check_refused("e9m3", "exponent bits must be 1 to 8, not 9");
  check_refused("e0m0", "exponent bits must be 1 to 8, not 0");
  check_refused("e4m24", "mantissa bits must be 0 to 23, not 24");
  check_refused("e4m-1", "mantissa bits must be 0 to 23, not -1");
  check_refused("e4m3:bias=999", "-112 to 127");
  check_refused("e4m3:bias=128", "-112 to 127");
  check_refused("e4m3:bias=1.5", "whole number");
  check_refused("e4m3:bias=", "whole number");
  check_refused("e4m3:foo=1", "options are bias=, specials= and subnormals=");
  check_refused("e4m3:special=fn", "did you mean specials?");
  check_refused("e4m3:specials=inf", "ieee, fn, fnuz, finite");
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
  for (const char* word : {"rne", "rna", "rtz", "rup", "rdn", "rto", "sr"})
    CHECK(to_string(parse_rounding(word)) == word);
  for (const char* word : {"saturate", "native"}) CHECK(to_string(parse_overflow(word)) == word);
  CHECK_THROWS_WITH(parse_rounding("rnee"),
                    "rounding must be one of rne, rna, rtz, rup, rdn, rto, sr; \"rnee\" is not "
                    "(did you mean rne?)");
  CHECK_THROWS_AS(parse_rounding(""), ConfigError);
  CHECK_THROWS_AS(parse_overflow("saturated"), ConfigError);
}

}  // namespace precipice::test
