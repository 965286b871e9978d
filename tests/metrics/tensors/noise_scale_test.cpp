// SPDX-License-Identifier: Apache-2.0
// The noise scale against its definition on gradients whose distribution is known.
#include "metrics/tensors/noise_scale.h"

#include <cmath>
#include <limits>
#include <vector>

#include "precision/rounding/random_bits.h"
#include "tests/support/catch.h"

using namespace precipice;

TEST_CASE("the estimates are those of the formula on hand-made gradients") {
  // Four sequences with gradients (3, 1), (1, 1), (3, -1), (1, -1): mean (2, 0), variances 4/3 and 4/3 with n - 1.
  // Micro-batches of one: mean square (10 + 2 + 10 + 2) / 4 = 6; of the batch: 4.
  const NoiseEstimate e = noise_estimate(6, 4, 1, 4);
  CHECK(e.trace == Approx(8.0 / 3).epsilon(1e-15));
  // |mean|^2 is too large by trace / 4: 4 - 2/3.
  CHECK(e.squared_gradient == Approx(10.0 / 3).epsilon(1e-15));
}

TEST_CASE("both estimates are unbiased over many batches of random gradients") {
  // Gradients uniform in [-1, 1]^3 around (0.5, 0, 0): |G|^2 = 1/4, trace = 3 * 1/3 = 1.
  constexpr int kBatch = 8, kPart = 2, kBatches = 20000;
  double trace = 0, square = 0;
  std::uint64_t element = 0;
  for (int batch = 0; batch < kBatches; ++batch) {
    double parts = 0, big[3] = {0, 0, 0};
    for (int part = 0; part < kBatch / kPart; ++part) {
      double small[3] = {0, 0, 0};
      for (int i = 0; i < kPart; ++i)
        for (int axis = 0; axis < 3; ++axis) {
          const double x = random_word({7, 0, 0, 0}, element++) * 0x1p-31 - 1 + (axis == 0 ? 0.5 : 0);
          small[axis] += x / kPart;
          big[axis] += x / kBatch;
        }
      for (const double x : small) parts += x * x / (kBatch / kPart);
    }
    const NoiseEstimate e = noise_estimate(parts, big[0] * big[0] + big[1] * big[1] + big[2] * big[2], kPart, kBatch);
    trace += e.trace / kBatches;
    square += e.squared_gradient / kBatches;
  }
  // Deviations of one estimate are below 0.6 and 0.2; of the mean of 20000 below 0.0043 and 0.0015. Four of these.
  CHECK(trace == Approx(1.0).margin(0.018));
  CHECK(square == Approx(0.25).margin(0.006));
}

TEST_CASE("averages are divided, not ratios averaged, and what is not finite is left out") {
  NoiseAverage average;
  CHECK(std::isnan(average.scale()));
  average.add({std::numeric_limits<double>::quiet_NaN(), 1});
  CHECK(std::isnan(average.scale()));
  average.add({10, 2});
  CHECK(average.scale() == 5);
  average.add({20, -3});  // averages 11 and 1.5
  CHECK(average.scale() == Approx(11 / 1.5).epsilon(1e-15));
  NoiseAverage negative;
  negative.add({1, -1});
  CHECK(std::isnan(negative.scale()));
}
