// SPDX-License-Identifier: Apache-2.0
// Bins against the C library's classification and exponent (fpclassify, ilogb, frexp).
#include "metrics/tensors/exponent_histograms.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "precision/base/check.h"
#include "tests/support/catch.h"

namespace precipice {
namespace {

std::string expected_name(float value) {
  switch (std::fpclassify(value)) {
    case FP_NAN:
      return "nan";
    case FP_INFINITE:
      return "inf";
    case FP_ZERO:
      return "zero";
    case FP_SUBNORMAL:
      return "subnormal";
    default:
      break;
  }
  int exponent = 0;
  std::frexp(value, &exponent);  // fraction in [1/2, 1)
  REQUIRE(std::ilogb(value) == exponent - 1);
  return std::to_string(exponent - 1);
}

}  // namespace

TEST_CASE("every pattern of sign and exponent, with the ends of its fractions, falls into the bin of its name") {
  REQUIRE(exponent_bin_names().size() == kExponentBins);
  for (std::uint32_t top = 0; top < 512; ++top)
    for (const std::uint32_t fraction : {0u, 1u, 0x400000u, 0x7FFFFFu}) {
      const float value = std::bit_cast<float>(top << 23 | fraction);
      REQUIRE(exponent_bin_names()[exponent_bin(value)] == expected_name(value));
    }
  CHECK(exponent_bin_names()[kZeroBin] == "zero");
  CHECK(exponent_bin_names()[kSubnormalBin] == "subnormal");
  CHECK(exponent_bin_names()[kFirstExponentBin] == "-126");
  CHECK(exponent_bin_names()[kInfinityBin] == "inf");
  CHECK(exponent_bin_names()[kNanBin] == "nan");
}

TEST_CASE("counts add up by series and site; what was not seen is NaN") {
  ExponentHistograms histograms({"a", "b"});
  histograms.clear();
  std::mt19937_64 random(3);
  std::vector<float> values(5000);
  for (float& value : values) value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
  values[0] = 0.0f, values[1] = -0.0f, values[2] = std::numeric_limits<float>::infinity();
  values[3] = std::numeric_limits<float>::quiet_NaN(), values[4] = 1e-41f;
  histograms.add(1, 4, std::span(values).first(2000));
  histograms.add(1, 4, std::span(values).subspan(2000));
  const std::vector<double> row = histograms.values();
  REQUIRE(row.size() == histograms.group().row_width());
  REQUIRE(row.size() == 9 * 2 * kExponentBins);
  for (std::size_t series = 0; series < 9; ++series)
    for (std::size_t site = 0; site < 2; ++site)
      for (std::size_t bin = 0; bin < kExponentBins; ++bin) {
        const double count = row[(series * 2 + site) * kExponentBins + bin];
        if (series != 4 || site != 1) {
          REQUIRE(std::isnan(count));
          continue;
        }
        double expected = 0;
        for (const float value : values) expected += expected_name(value) == exponent_bin_names()[bin];
        REQUIRE(count == expected);
      }
  histograms.clear();
  for (const double count : histograms.values()) REQUIRE(std::isnan(count));
  CHECK_THROWS_AS(histograms.add(2, 0, values), ContractError);
  CHECK_THROWS_AS(histograms.add(0, 9, values), ContractError);
}

}  // namespace precipice
