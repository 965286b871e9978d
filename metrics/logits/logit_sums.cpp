// SPDX-License-Identifier: Apache-2.0
#include "metrics/logits/logit_sums.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "metrics/curvature/vector_clones.h"
#include "precision/base/check.h"
#include "precision/base/host_device.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr std::size_t kSumLanes = 32;
constexpr double kLowest = -700;  // e^-700 is nothing beside the largest term, which is 1

// x <= 0
PRECIPICE_HD double exponential(double x) {
  constexpr double kLog2E = 0x1.71547652b82fep+0, kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr double kShift = 0x1.8p52;  // the sum's low bits are the nearest integer
  const double bounded = x < kLowest ? kLowest : x;
  const double shifted = bounded * kLog2E + kShift, n = shifted - kShift;
  const double r = (bounded - n * kLn2High) - n * kLn2Low;
  double p = 1.0 / 6227020800;
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1;
  p = p * r + 1;
  const double power = std::bit_cast<double>((std::bit_cast<std::uint64_t>(shifted) + 1023) << 52);
  return x < kLowest ? 0.0 : p * power;
}

// 0 <= b <= kMaxBox
PRECIPICE_HD double small_expm1(double b) {
  double p = 1.0 / 362880;
  p = p * b + 1.0 / 40320;
  p = p * b + 1.0 / 5040;
  p = p * b + 1.0 / 720;
  p = p * b + 1.0 / 120;
  p = p * b + 1.0 / 24;
  p = p * b + 1.0 / 6;
  p = p * b + 0.5;
  p = p * b + 1;
  return p * b;
}

// One lane each of kSumLanes logits; whole rows are made of these.
PRECIPICE_CLONES void add_lanes(const float* z, double m, const double* epsilons, std::size_t count, double* base,
                                double* rises) {
  double e[kSumLanes], size[kSumLanes];
  for (std::size_t lane = 0; lane < kSumLanes; ++lane) {
    const double x = z[lane];
    e[lane] = exponential(x - m);
    // A masked logit has e = 0 and must not meet infinity.
    size[lane] = e[lane] == 0 ? 0.0 : std::abs(x) + 1;
    base[lane] += e[lane];
  }
  for (std::size_t k = 0; k < count; ++k)
    for (std::size_t lane = 0; lane < kSumLanes; ++lane)
      rises[k * kSumLanes + lane] += e[lane] * small_expm1(epsilons[k] * size[lane]);
}

}  // namespace

RowExtremes row_extremes(std::span<const float> logits) {
  float low[kSumLanes], high[kSumLanes];
  bool bad[kSumLanes];
  std::fill(low, low + kSumLanes, kFloatInfinity);
  std::fill(high, high + kSumLanes, -kFloatInfinity);
  std::fill(bad, bad + kSumLanes, false);
  const auto take = [&](std::size_t lane, float z) {
    low[lane] = z < low[lane] && z > -kFloatInfinity ? z : low[lane];
    high[lane] = z > high[lane] ? z : high[lane];
    bad[lane] |= !(z < kFloatInfinity);
  };
  std::size_t i = 0;
  for (; i + kSumLanes <= logits.size(); i += kSumLanes)
    for (std::size_t lane = 0; lane < kSumLanes; ++lane) take(lane, logits[i + lane]);
  for (; i < logits.size(); ++i) take(0, logits[i]);
  return {*std::min_element(low, low + kSumLanes), *std::max_element(high, high + kSumLanes),
          std::find(bad, bad + kSumLanes, true) != bad + kSumLanes};
}

void add_logit_sums(std::span<const float> logits, double m, std::span<const double> epsilons, double& base,
                    std::span<double> rises) {
  PRECIPICE_CHECK(epsilons.size() == rises.size() && rises.size() <= kMaxBoxes, epsilons.size(), " epsilons");
  double bases[kSumLanes] = {}, lanes[kMaxBoxes * kSumLanes] = {};
  std::size_t i = 0;
  for (; i + kSumLanes <= logits.size(); i += kSumLanes)
    add_lanes(logits.data() + i, m, epsilons.data(), epsilons.size(), bases, lanes);
  if (i < logits.size()) {
    float rest[kSumLanes];
    std::fill(std::copy(logits.begin() + static_cast<std::ptrdiff_t>(i), logits.end(), rest), rest + kSumLanes,
              -kFloatInfinity);
    add_lanes(rest, m, epsilons.data(), epsilons.size(), bases, lanes);
  }
  for (std::size_t lane = 0; lane < kSumLanes; ++lane) base += bases[lane];
  for (std::size_t k = 0; k < rises.size(); ++k)
    for (std::size_t lane = 0; lane < kSumLanes; ++lane) rises[k] += lanes[k * kSumLanes + lane];
}

}  // namespace precipice
