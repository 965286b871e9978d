// SPDX-License-Identifier: Apache-2.0
// Words of claims at the edges of their intervals, and Holm's levels against Holm's adjusted p values.
#include "metrics/statistics/verdict.h"

#include <cmath>
#include <limits>

#include "metrics/statistics/holm.h"
#include "metrics/statistics/paired.h"
#include "tests/metrics/statistics/golden.h"

namespace precipice {

TEST_CASE("the word of a difference is where its interval lies") {
  CHECK(difference_verdict({0.006, 0.010}, 0.005) == Verdict::Reproduced);
  CHECK(difference_verdict({0.005, 0.010}, 0.005) == Verdict::Undecided);  // beyond, not at, the margin
  CHECK(difference_verdict({0.001, 0.004}, 0.005) == Verdict::Smaller);
  CHECK(difference_verdict({-0.001, 0.004}, 0.005) == Verdict::Smaller);
  CHECK(difference_verdict({-0.004, -0.001}, 0.005) == Verdict::Opposite);
  CHECK(difference_verdict({-0.004, 0.020}, 0.005) == Verdict::Undecided);
  CHECK(difference_verdict({-0.004, 0.001}, 0) == Verdict::Undecided);
  CHECK(difference_verdict({std::numeric_limits<double>::quiet_NaN(), 1}, 0) == Verdict::CannotBeJudged);
  CHECK(equivalence_verdict({-0.001, 0.002}, {-0.005, 0.005}) == Verdict::Equivalent);
  CHECK(equivalence_verdict({0.006, 0.008}, {-0.005, 0.005}) == Verdict::NotEquivalent);
  CHECK(equivalence_verdict({-0.001, 0.008}, {-0.005, 0.005}) == Verdict::Undecided);
  CHECK(to_string(Verdict::Smaller) == "smaller than claimed");
}

TEST_CASE("a claim's interval at Holm's level excludes the null exactly where the adjusted p is at most alpha") {
  // Families of paired differences with shifts from none to large, sizes 1 to 8, drawn from a fixed linear congruence.
  std::uint64_t state = 12345;
  const auto draw = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 11) / 9007199254740992.0 - 0.5;
  };
  int decided = 0, open = 0;
  for (int family = 0; family < 200; ++family) {
    std::vector<std::vector<double>> claims;
    std::vector<double> p_values;
    for (int claim = 0; claim <= family % 8; ++claim) {
      const double shift = draw();
      std::vector<double> d;
      for (int seed = 0; seed < 5; ++seed) d.push_back(shift + draw() + draw());
      claims.push_back(d), p_values.push_back(paired_t(d).p);
    }
    const std::vector<double> adjusted = holm_adjusted(p_values), levels = holm_levels(p_values, 0.05);
    for (std::size_t i = 0; i < claims.size(); ++i) {
      const Interval interval = paired_t(claims[i], 0, 1 - levels[i]).interval;
      const bool excludes = interval.low > 0 || interval.high < 0;
      CHECK(excludes == (adjusted[i] <= 0.05));
      ++(excludes ? decided : open);
    }
  }
  CHECK(decided > 20);  // both kinds were met
  CHECK(open > 20);
}

TEST_CASE("a claim that could not be tested takes no part in its family") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> levels = holm_levels(std::vector<double>{0.04, nan}, 0.05);
  CHECK(levels[0] == 0.05);
  CHECK(levels[1] == 0.05);
}

}  // namespace precipice
