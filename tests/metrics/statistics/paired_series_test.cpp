// SPDX-License-Identifier: Apache-2.0
// Bands over windows and which series leaves its own first.
#include "metrics/statistics/paired_series.h"

#include <cmath>
#include <limits>

#include "tests/metrics/statistics/golden.h"

namespace precipice {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("each window of a band is the paired t interval at the level divided by the windows") {
  const std::vector<WindowMeans> differences{{0.1, 1.0, kNan}, {-0.2, 1.1, 3}, {0.15, 0.9, kNan}, {0.0, 1.2, kNan}};
  const std::vector<BandPoint> band = simultaneous_band(differences);
  REQUIRE(band.size() == 3);
  const PairedT first = paired_t(std::vector<double>{0.1, -0.2, 0.15, 0.0}, 0, 1 - 0.05 / 3);
  CHECK((band[0].difference.interval == first.interval));
  CHECK_FALSE(band[0].departs);
  CHECK(band[1].departs);
  CHECK(band[2].difference.n == 1);  // one seed says nothing of a window
  CHECK_FALSE(band[2].departs);
  CHECK(simultaneous_band({}).empty());
}

TEST_CASE("a series departs in the first window outside its range, and a window without a value is passed") {
  CHECK(first_departure(std::vector<double>{1, 1.05, 1.2, 0.5}, 0.9, 1.1) == 2);
  CHECK(first_departure(std::vector<double>{kNan, 1, 0.5}, 0.9, 1.1) == 2);
  CHECK(first_departure(std::vector<double>{1, std::numeric_limits<double>::infinity()}, 0.9, 1.1) == 1);
  CHECK(first_departure(std::vector<double>{1, 1}, 0.9, 1.1) == -1);
}

TEST_CASE("who departs first is a sign test that censors what never departs") {
  const std::vector<std::int64_t> sharpness{2, 3, -1, 5, 1, 4, 2}, loss{7, -1, -1, 5, -1, 6, 9};
  const DepartureOrder order = compare_departures(sharpness, loss);
  CHECK(order.first_earlier == 5);
  CHECK(order.together == 1);
  CHECK(order.neither == 1);
  CHECK(order.second_earlier == 0);
  CHECK(order.p == same(two_sided_sign_p(5, 0)));
  CHECK(compare_departures(loss, sharpness).second_earlier == 5);
}

}  // namespace precipice
