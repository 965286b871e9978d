// SPDX-License-Identifier: Apache-2.0
// Quantiles and tails of the distributions that the tests and intervals here need: Boost.Math behind plain functions,
// so that one file pays for its headers. A confidence of 0.95 is two-sided everywhere: 2.5 % lie on each side.
#pragma once

namespace precipice {

inline constexpr double kConfidence = 0.95;

struct Interval {
  double low = 0;
  double high = 0;
  bool operator==(const Interval&) const = default;
};

double normal_quantile(double probability);           // probability in (0, 1)
double two_sided_normal_quantile(double confidence);  // 1.96 for 0.95
double two_sided_normal_p(double z);                  // P(|Z| >= |z|)
double two_sided_student_quantile(double confidence, double degrees);
double two_sided_student_p(double t, double degrees);
double beta_quantile(double a, double b, double probability);
double chi_squared_tail(double value, double degrees);  // P(X >= value)
// P(|T| >= critical) for a non-central t of this many degrees.
double two_sided_noncentral_t_power(double degrees, double noncentrality, double critical);

}  // namespace precipice
