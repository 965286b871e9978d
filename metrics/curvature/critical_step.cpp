// SPDX-License-Identifier: Apache-2.0
#include "metrics/curvature/critical_step.h"

#include <cmath>

#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr int kRefinements = 3;
constexpr int kMaxBracketing = kMaxCriticalPasses - kRefinements - 1;

struct Point {
  double s = 0;
  double slope = 0;  // r(s) / s
};

bool rises(const Point& point) {
  return !(point.slope <= 0) || std::isinf(point.slope);
}

// Between low, which does not rise, and high, which does.
double sign_change(const Point& low, const Point& high) {
  if (!std::isfinite(high.slope)) return (low.s + high.s) / 2;
  return low.s + (high.s - low.s) * (-low.slope / (high.slope - low.slope));
}

}  // namespace

CriticalStep find_critical_step(const std::function<double(double)>& rise, double start) {
  PRECIPICE_CHECK(start > 0 && std::isfinite(start), "start ", start);
  CriticalStep result{kNaN};
  const auto at = [&](double s) {
    ++result.passes;
    return Point{s, rise(s) / s};
  };
  const Point first = at(start);
  const bool down = rises(first);
  Point last = first, found;
  for (int i = 0; i < kMaxBracketing; ++i) {
    const double factor = i == 0 ? 2 : 4;
    const Point next = at(down ? last.s / factor : last.s * factor);
    if (rises(next) != down) {
      found = next;
      break;
    }
    last = next;
  }
  if (found.s == 0) {
    result.outcome = down ? CriticalOutcome::AlwaysRises : CriticalOutcome::NeverRises;
    return result;
  }
  Point low = down ? found : last, high = down ? last : found;
  for (int i = 0; i < kRefinements; ++i) {
    double s = sign_change(low, high);
    // Bisection in between, since interpolation alone leaves one end of the bracket where it was; and where it has
    // nothing to go by: in a coarse format the loss may stand still at `low`, and rounding may put s on an end.
    if (i % 2 == 1 || !(s > low.s && s < high.s)) s = (low.s + high.s) / 2;
    const Point middle = at(s);
    (rises(middle) ? high : low) = middle;
  }
  result.multiple = sign_change(low, high);
  result.outcome = CriticalOutcome::Found;
  return result;
}

}  // namespace precipice
