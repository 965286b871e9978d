// SPDX-License-Identifier: Apache-2.0
// Delayed scaling over traces of amaxes: the rules of TransformerEngine's kernel and Python and of MS-AMP in other
// arithmetic, and where they part.
#include "precision/scaling/delayed_scale.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "precision/base/check.h"
#include "tests/precision/rounding/support.h"
#include "tests/support/catch.h"
#include "tests/support/reference_scaling.h"

namespace precipice::test {
namespace {

using reference::fl;
constexpr float kInfF = std::numeric_limits<float>::infinity();
constexpr float kNanF = std::numeric_limits<float>::quiet_NaN();

DelayedRule rule_of(DelayedUpdate update, int history, AmaxAlgorithm algorithm = AmaxAlgorithm::Max, int margin = 0) {
  return {update, history, algorithm, margin};
}

float scale_after(const DelayedRule& rule, const std::vector<float>& amaxes, float max = 448.0f) {
  DelayedScale state = initial_scale(rule);
  for (const float amax : amaxes) update(state, rule, amax, max);
  return state.scale;
}

// The amaxes that the peers keep, as a deque of the past, newest first. The kernel keeps a zero for a step that has not
// been; it neither moves nor looks when the newest amax is 0.
struct Reference {
  DelayedRule rule;
  double max;
  std::deque<double> past;
  double scale = 1.0;

  double largest(bool nan_wins) const {
    double a = 0.0;
    for (const double x : past) {
      if (std::isnan(x) && nan_wins) return x;
      a = std::fmax(a, x);
    }
    return a;
  }
  void step(double amax) {
    const bool recent = rule.algorithm == AmaxAlgorithm::MostRecent;
    if (rule.update == DelayedUpdate::Te && amax == 0.0) return;
    past.push_front(amax);
    const double a = recent ? amax : largest(rule.update == DelayedUpdate::TeUnfused);
    // One of the places holds the zero of the step to come.
    if (static_cast<int>(past.size()) > rule.history - 1) past.pop_back();
    if (!(a > 0.0) || std::isinf(a)) return;
    const double s = rule.update == DelayedUpdate::Te ? fl(fl(std::ldexp(max, -rule.margin)) / a)
                                                      : fl(fl(fl(1.0 / a) * max) / std::ldexp(1.0, rule.margin));
    scale = std::fmin(s, reference::kLargestFloat);
  }
};

std::vector<float> trace(std::uint64_t seed, int length) {
  Stream stream{seed};
  std::vector<float> amaxes;
  for (int i = 0; i < length; ++i) {
    const std::uint32_t bits = stream.next();
    float amax = std::ldexp(1.0f + static_cast<float>(bits >> 9) * 0x1p-23f, static_cast<int>(bits % 9) - 4);
    if (bits % 13 == 0) amax = 0.0f;
    if (bits % 29 == 0) amax = kNanF;
    if (bits % 31 == 0) amax = kInfF;
    if (bits % 37 == 0) amax = 1e-37f;
    amaxes.push_back(amax);
  }
  return amaxes;
}

}  // namespace

TEST_CASE("te and te-unfused follow their updates over traces with zeros, NaN, infinity and tiny amaxes") {
  for (const DelayedUpdate kind : {DelayedUpdate::Te, DelayedUpdate::TeUnfused}) {
    for (const int history : {1, 2, 4, 16}) {
      for (const AmaxAlgorithm algorithm : {AmaxAlgorithm::Max, AmaxAlgorithm::MostRecent}) {
        for (const int margin : {0, 2, -1}) {
          const DelayedRule rule = rule_of(kind, history, algorithm, margin);
          DelayedScale state = initial_scale(rule);
          Reference expected{rule, 57344.0, {}};
          int wrong = 0;
          for (const float amax : trace(static_cast<std::uint64_t>(history), 400)) {
            update(state, rule, amax, 57344.0f);
            expected.step(static_cast<double>(amax));
            wrong += state.scale != static_cast<float>(expected.scale);
          }
          INFO(to_string(kind) << " " << history << " " << to_string(algorithm) << " margin " << margin);
          CHECK(wrong == 0);
          CHECK(state.updates == 400);
        }
      }
    }
  }
}

TEST_CASE("amax 3: te 149.33333, te-unfused 149.33334") {
  CHECK(scale_after(rule_of(DelayedUpdate::Te, 4), {3.0f}) == 149.33333f);
  CHECK(scale_after(rule_of(DelayedUpdate::TeUnfused, 4), {3.0f}) == 149.33334f);
}

TEST_CASE("newest amax 0: the kernel keeps history and scale, te-unfused rolls old maxima out: 224 and 448") {
  const std::vector<float> amaxes = {1.0f, 2.0f, 4.0f, 2.0f, 1.0f, 0.5f, 0.25f, 0.0f};
  CHECK(scale_after(rule_of(DelayedUpdate::Te, 4), amaxes) == 224.0f);
  CHECK(scale_after(rule_of(DelayedUpdate::TeUnfused, 4), amaxes) == 448.0f);
}

TEST_CASE("NaN: the kernel passes over it, te-unfused keeps the old scale until it has left: 224 and 448") {
  CHECK(scale_after(rule_of(DelayedUpdate::Te, 4), {1.0f, kNanF, 2.0f}) == 224.0f);
  CHECK(scale_after(rule_of(DelayedUpdate::TeUnfused, 4), {1.0f, kNanF, 2.0f}) == 448.0f);
}

TEST_CASE("margin 2 with amax 1e-36: the kernel 1.12e38, te-unfused the largest float") {
  CHECK(scale_after(rule_of(DelayedUpdate::Te, 4, AmaxAlgorithm::Max, 2), {1e-36f}) ==
        static_cast<float>(fl(112.0 / static_cast<double>(1e-36f))));
  CHECK(scale_after(rule_of(DelayedUpdate::TeUnfused, 4, AmaxAlgorithm::Max, 2), {1e-36f}) ==
        std::numeric_limits<float>::max());
}

TEST_CASE("the first step has scale 1, and the history is what the kernel holds after its roll") {
  const DelayedRule rule = rule_of(DelayedUpdate::Te, 3);
  DelayedScale state = initial_scale(rule);
  CHECK(scale_now(state, rule, 5.0f, 448.0f) == 1.0f);
  update(state, rule, 5.0f, 448.0f);
  CHECK(state.history == std::vector<float>{0.0f, 0.0f, 5.0f});
  update(state, rule, 2.0f, 448.0f);
  CHECK(state.history == std::vector<float>{0.0f, 5.0f, 2.0f});
  update(state, rule, 0.0f, 448.0f);
  CHECK(state.history == std::vector<float>{0.0f, 5.0f, 2.0f});
}

TEST_CASE("ms-amp scales by the tensor itself for its window's length, then by the window's largest amax") {
  const DelayedRule rule = rule_of(DelayedUpdate::MsAmp, 4);
  DelayedScale state = initial_scale(rule);
  const float amaxes[] = {8.0f, 1.0f, 2.0f, 0.5f, 64.0f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f};
  // 448 / amax rounded down to a power of two; from the fifth step on, of the largest of the four before.
  const float expected[] = {32.0f, 256.0f, 128.0f, 512.0f, 32.0f, 4.0f, 4.0f, 4.0f, 4.0f, 1024.0f};
  for (int i = 0; i < 10; ++i) {
    CHECK(scale_now(state, rule, amaxes[i], 448.0f) == expected[i]);
    update(state, rule, amaxes[i], 448.0f);
  }
}

TEST_CASE("interval and power of two: scales are refreshed once per interval, mantissa cleared") {
  DelayedRule rule = rule_of(DelayedUpdate::Te, 4);
  rule.interval = 3;
  rule.power_of_two = true;
  DelayedScale state = initial_scale(rule);
  std::vector<float> scales;
  for (const float amax : {3.0f, 7.0f, 5.0f, 100.0f, 1.0f, 1.0f}) {
    update(state, rule, amax, 240.0f);
    scales.push_back(state.scale);
  }
  CHECK(scales == std::vector<float>{1.0f, 1.0f, 32.0f, 32.0f, 32.0f, 2.0f});
}

TEST_CASE("a state that was copied goes on as the original") {
  for (const DelayedUpdate kind : {DelayedUpdate::Te, DelayedUpdate::TeUnfused, DelayedUpdate::MsAmp}) {
    const DelayedRule rule = rule_of(kind, 5);
    const std::vector<float> amaxes = trace(5, 60);
    DelayedScale state = initial_scale(rule);
    for (int i = 0; i < 30; ++i) update(state, rule, amaxes[static_cast<std::size_t>(i)], 448.0f);
    DelayedScale resumed{state.scale, state.history, state.updates};
    for (std::size_t i = 30; i < 60; ++i) {
      update(state, rule, amaxes[i], 448.0f);
      update(resumed, rule, amaxes[i], 448.0f);
    }
    CHECK(same(state.scale, resumed.scale));
    CHECK(state.updates == 60);
  }
}

TEST_CASE("histories, margins and intervals out of range are refused with their key") {
  DelayedRule rule;
  rule.history = 0;
  CHECK_THROWS_WITH(validate(rule), Catch::Contains("history = 0"));
  rule = {};
  rule.margin = 61;
  CHECK_THROWS_WITH(validate(rule), Catch::Contains("margin = 61"));
  rule = {};
  rule.interval = 0;
  CHECK_THROWS_WITH(validate(rule), Catch::Contains("interval = 0"));
  CHECK_THROWS_WITH(parse_amax_algorithm("most_recent"), Catch::Contains("most-recent"));
}

}  // namespace precipice::test
