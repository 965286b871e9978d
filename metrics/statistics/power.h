// SPDX-License-Identifier: Apache-2.0
// How many seeds a comparison needs. Proportions: the exact power of the two-sided Fisher test, summed over both
// binomials. Means: the exact power of the two-sample t test (non-central t) for a difference of `effect` standard
// deviations. n counts the runs of each of two equal groups.
#pragma once

#include <cstdint>

namespace precipice {

inline constexpr double kLevel = 0.05;
inline constexpr double kTargetPower = 0.8;
inline constexpr std::int64_t kMaxSeeds = 1000;

double fisher_power(double p, double q, std::int64_t n, double level = kLevel);
double t_test_power(double effect, std::int64_t n, double level = kLevel);  // 0 for n < 2

// The least n from which on the power stays at or above the target (the exact test's saw-tooth: for the next 8 n too);
// -1 when it is more than kMaxSeeds.
std::int64_t seeds_for_proportions(double p, double q, double power = kTargetPower, double level = kLevel);
std::int64_t seeds_for_means(double effect, double power = kTargetPower, double level = kLevel);

// The least proportion that n runs tell from `base` with this power, in steps of 0.01; NaN when not even 1 is told.
double detectable_proportion(double base, std::int64_t n, double power = kTargetPower, double level = kLevel);
// The least difference of two means in standard deviations, to 0.01; NaN when n < 2.
double detectable_effect(std::int64_t n, double power = kTargetPower, double level = kLevel);

}  // namespace precipice
