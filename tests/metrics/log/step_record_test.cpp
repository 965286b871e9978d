// SPDX-License-Identifier: Apache-2.0
// The two groups whose columns are tables: "metrics" and "tensors".
#include "metrics/log/step_record.h"

#include <bit>
#include <cmath>
#include <set>

#include "metrics/tensors/tensor_stats.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"

namespace precipice {

TEST_CASE("every member of StepRecord has exactly one field, named and in its own column") {
  const SeriesGroup group = step_record_group();
  CHECK(group.name == "metrics");
  CHECK(group.sites.empty());
  // The struct holds doubles only, so a member without a field would show in its size.
  REQUIRE(group.series.size() * sizeof(double) == sizeof(StepRecord));
  std::set<std::string> names;
  for (std::size_t i = 0; i < group.series.size(); ++i) {
    names.insert(group.series[i].name);
    CHECK_FALSE(group.series[i].units.empty());
    CHECK_FALSE(group.series[i].long_name.empty());
    StepRecord record;
    record.*step_record_fields()[i].member = 42.5;
    const std::vector<double> values = to_values(record);
    for (std::size_t k = 0; k < values.size(); ++k) CHECK((values[k] == 42.5) == (k == i));
  }
  CHECK(names.size() == group.series.size());
  CHECK(group.series[0].name == "train_loss");
}

TEST_CASE("what was not measured is NaN, what was counted is zero") {
  const StepRecord record;
  CHECK(std::isnan(record.train_loss));
  CHECK(std::isnan(record.log_z));
  CHECK(record.skipped == 0);
  CHECK(record.loss_spikes == 0);
}

TEST_CASE("tensor statistics are fractions per operand and site, NaN where nothing was quantized") {
  TensorStats stats({"block0.mlp.up", "lm_head"});
  const SeriesGroup& group = stats.group();
  REQUIRE(group.series.size() == 42);
  CHECK(group.series[0].name == "x_saturated");
  CHECK(group.series[4].name == "x_amax");
  CHECK(group.series[5].name == "x_sqnr");
  CHECK(group.series[5].units == "dB");
  CHECK(group.series[6].name == "x_scale");
  CHECK(group.series[7].name == "w_saturated");
  CHECK(group.series[17].name == "dy_nan");
  CHECK(group.series[21].name == "w_dgrad_saturated");
  CHECK(group.series[41].name == "x_wgrad_scale");

  EventCounts counts;
  counts.total = 8;
  counts.saturated = 1;
  counts.overflowed = 2;
  counts.underflowed = 4;
  counts.nan_in = 8;
  counts.amax = 3.5f;
  stats.record(1, 0, counts);
  counts.amax = 7.0f;
  counts.saturated = 3;
  stats.record(1, 0, counts);  // a second product of the same step

  const std::vector<double> values = stats.values();
  REQUIRE(values.size() == group.row_width());
  const auto at = [&](std::size_t series, std::size_t site) { return values[2 * series + site]; };
  CHECK(at(0, 1) == 4.0 / 16);
  CHECK(at(1, 1) == 4.0 / 16);
  CHECK(at(2, 1) == 8.0 / 16);
  CHECK(at(3, 1) == 1.0);
  CHECK(at(4, 1) == 7.0);
  for (std::size_t series = 0; series < 42; ++series) {
    CHECK(std::isnan(at(series, 0)));
    if (series >= 5) CHECK(std::isnan(at(series, 1)));
  }

  stats.clear();
  for (const double value : stats.values()) CHECK(std::isnan(value));
}

TEST_CASE("SQNR is the signal over the error in dB, and a second pass that shares a quantization repeats the first") {
  EventCounts counts;
  counts.total = 2;
  TensorStats stats({"a"});
  const auto at = [&](std::size_t series) { return stats.values()[series]; };
  RoundingError error = rounding_error(std::vector<float>{3, -4}, std::vector<float>{3, -5});
  CHECK(error.signal == 25);
  CHECK(error.error == 1);
  error.scale = 0.5;
  stats.record(0, 0, counts);
  stats.record(0, 0, error);
  CHECK(at(5) == Approx(13.979400086720376).epsilon(1e-15));
  CHECK(at(6) == 0.5);
  error = {25, 7, 2};
  stats.record(0, 0, error);  // a second product of the same step: 50 / 8
  CHECK(at(5) == Approx(7.958800173440752).epsilon(1e-15));
  CHECK(at(6) == 2);

  CHECK(std::isnan(at(40)));
  stats.share(0, 0, 5);
  for (std::size_t series = 0; series < 7; ++series) CHECK(at(35 + series) == at(series));
  counts.saturated = 2;
  stats.record(0, 4, counts);
  stats.share(0, 0, 4);  // it has its own
  CHECK(at(28) == 1);
  CHECK(std::isnan(at(33)));

  stats.clear();
  stats.record(0, 0, counts);
  stats.record(0, 0, RoundingError{25, 0, 1});
  CHECK(std::isinf(at(5)));
  stats.clear();
  stats.record(0, 0, counts);
  stats.record(0, 0, RoundingError{0, 0, 1});
  CHECK(std::isnan(at(5)));  // nothing but zeros

  // Longer than the sums' lanes, against the plain definition.
  std::vector<float> x, y;
  double signal = 0, difference = 0;
  for (int i = 0; i < 53; ++i) {
    x.push_back(static_cast<float>(i));
    y.push_back(static_cast<float>(i - i % 4));
    signal += i * i, difference += (i % 4) * (i % 4);
  }
  CHECK(rounding_error(x, y).signal == signal);
  CHECK(rounding_error(x, y).error == difference);
  for (float& value : y) value /= 4;
  CHECK(rounding_error(x, y, 4.0f).error == difference);
  CHECK(rounding_error(x, y, 4.0f).scale == 4);
}

TEST_CASE("the rounding error of bf16 numbers is that of the same numbers in fp32") {
  std::vector<float> x, wide;
  std::vector<std::uint16_t> packed;
  for (int i = 0; i < 77; ++i) {
    x.push_back(static_cast<float>(i * i - 900) * 0.37f);
    packed.push_back(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x.back()) >> 16));
    wide.push_back(std::bit_cast<float>(std::uint32_t{packed.back()} << 16));
  }
  const RoundingError a = rounding_error(x, wide, 1.5f), b = rounding_error(x, packed, 1.5f);
  CHECK((a.signal == b.signal && a.error == b.error && b.scale == 1.5));
  CHECK(a.error > 0);
}

TEST_CASE("a site or operand that does not exist is a broken contract") {
  CHECK_THROWS_AS(TensorStats({}), ContractError);
  TensorStats stats({"a"});
  CHECK_THROWS_AS(stats.record(1, 0, EventCounts{}), ContractError);
  CHECK_THROWS_AS(stats.record(0, 6, EventCounts{}), ContractError);
}

}  // namespace precipice
