// SPDX-License-Identifier: Apache-2.0
// The critical step of functions whose sign change is known.
#include "metrics/curvature/critical_step.h"

#include <cmath>
#include <limits>

#include "tests/support/catch.h"

using namespace precipice;

TEST_CASE("on a quadratic the critical step is -2 g.d / d'H d, wherever the search begins") {
  // r(s) = a s + b s^2 / 2 with a = g.d, b = d'H d.
  for (const double a : {-1.0, -1e-4, -30.0})
    for (const double b : {1.0, 1e-3, 400.0}) {
      const double expected = -2 * a / b;
      for (const double ratio : {0.003, 0.3, 0.999, 1.7, 20.0, 300.0}) {
        const CriticalStep found =
            find_critical_step([&](double s) { return a * s + b * s * s / 2; }, expected * ratio);
        INFO(a << " " << b << " from " << ratio);
        CHECK(found.outcome == CriticalOutcome::Found);
        CHECK(found.multiple == Approx(expected).epsilon(1e-12));  // a few roundings in double
        CHECK(found.passes <= kMaxCriticalPasses);
        if (ratio > 0.5 && ratio < 2) CHECK(found.passes == 5);  // two to bracket, three to close in
      }
    }
}

TEST_CASE("on a loss that is far from quadratic the critical step is found to a few percent, from afar to 15") {
  const auto rise = [](double s) { return std::expm1(0.5 * s * s) - s; };  // changes sign once
  double low = 0.1, high = 3;
  for (int i = 0; i < 100; ++i) (rise((low + high) / 2) > 0 ? high : low) = (low + high) / 2;
  for (const double start : {1.0, 2.0}) CHECK(find_critical_step(rise, start).multiple == Approx(low).epsilon(0.03));
  for (const double start : {0.1, 9.0}) CHECK(find_critical_step(rise, start).multiple == Approx(low).epsilon(0.15));
}

TEST_CASE("a loss of steps, as in a coarse format, is bracketed") {
  const auto rise = [](double s) { return std::round(8 * (s * s / 2 - s)) / 8; };  // rises from s = 2.06 on
  const double found = find_critical_step(rise, 1.0).multiple;
  CHECK(found > 1.8);
  CHECK(found < 2.2);
}

TEST_CASE("a loss that never rises, always rises or overflows is said to") {
  const CriticalStep never = find_critical_step([](double s) { return -s; }, 1);
  CHECK(never.outcome == CriticalOutcome::NeverRises);
  CHECK(std::isnan(never.multiple));
  const CriticalStep flat = find_critical_step([](double) { return 0.0; }, 1);
  CHECK(flat.outcome == CriticalOutcome::NeverRises);
  const CriticalStep always = find_critical_step([](double s) { return s; }, 1);
  CHECK(always.outcome == CriticalOutcome::AlwaysRises);
  CHECK(std::isnan(always.multiple));
  CHECK(always.passes <= kMaxCriticalPasses);
  // Beyond 3 the loss is not a number, which is no descent.
  const auto overflows = [](double s) { return s < 3 ? -s : std::numeric_limits<double>::quiet_NaN(); };
  const CriticalStep edge = find_critical_step(overflows, 1);
  CHECK(edge.outcome == CriticalOutcome::Found);
  CHECK(edge.multiple == Approx(3).epsilon(0.25));  // the bracket [2, 8], halved three times
}
