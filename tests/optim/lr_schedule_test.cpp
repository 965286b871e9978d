// SPDX-License-Identifier: Apache-2.0
// The learning-rate schedule against values computed by hand from nanoGPT's get_lr.
#include "optim/lr_schedule.h"

#include <cmath>

#include "tests/support/catch.h"

using namespace precipice;

namespace {

// The hand-computed values have 15 digits or are exact fractions; the code does some ten double operations.
Approx near(double value) {
  return Approx(value).margin(1e-15).epsilon(1e-14);
}

}  // namespace

TEST_CASE("warm-up rises by 1 / (warmup + 1) a step and reaches the peak at its end", "[lr_schedule]") {
  for (const auto& [word, kind] : kScheduleKinds) {
    const ScheduleConfig config{kind, 4, 0.1};
    CHECK(schedule_factor(config, 0, 100) == near(0.2));
    CHECK(schedule_factor(config, 1, 100) == near(0.4));
    CHECK(schedule_factor(config, 2, 100) == near(0.6));
    CHECK(schedule_factor(config, 3, 100) == near(0.8));
    CHECK(schedule_factor(config, 4, 100) == near(1.0));
  }
}

TEST_CASE("cosine: quarter points between warm-up and the end", "[lr_schedule]") {
  // warmup 4, total 12: ratio = (step - 4) / 8; factor = 0.1 + 0.9 (1 + cos(pi ratio)) / 2.
  const ScheduleConfig config{ScheduleKind::Cosine, 4, 0.1};
  CHECK(schedule_factor(config, 6, 12) == near(0.1 + 0.9 * 0.853553390593273762));  // (1 + 1/sqrt 2) / 2
  CHECK(schedule_factor(config, 8, 12) == near(0.55));
  CHECK(schedule_factor(config, 10, 12) == near(0.1 + 0.9 * 0.146446609406726238));
  CHECK(schedule_factor(config, 12, 12) == near(0.1));
  CHECK(schedule_factor(config, 1000, 12) == near(0.1));
}

TEST_CASE("nanoGPT's own setting: warm-up 2000 of 600000, peak 6e-4 to 6e-5", "[lr_schedule]") {
  const ScheduleConfig config{ScheduleKind::Cosine, 2000, 0.1};
  CHECK(6e-4 * schedule_factor(config, 0, 600000) == near(6e-4 / 2001));
  CHECK(6e-4 * schedule_factor(config, 1999, 600000) == near(6e-4 * 2000 / 2001));
  CHECK(6e-4 * schedule_factor(config, 2000, 600000) == near(6e-4));
  CHECK(6e-4 * schedule_factor(config, 301000, 600000) == near(3.3e-4));  // half way
  CHECK(6e-4 * schedule_factor(config, 600000, 600000) == near(6e-5));
}

TEST_CASE("linear: a straight line from the peak to the final fraction", "[lr_schedule]") {
  const ScheduleConfig config{ScheduleKind::Linear, 2, 0.5};
  CHECK(schedule_factor(config, 2, 12) == near(1.0));
  CHECK(schedule_factor(config, 3, 12) == near(0.95));
  CHECK(schedule_factor(config, 7, 12) == near(0.75));
  CHECK(schedule_factor(config, 11, 12) == near(0.55));
  CHECK(schedule_factor(config, 12, 12) == near(0.5));
}

TEST_CASE("constant: the peak from warm-up on, past the end too", "[lr_schedule]") {
  const ScheduleConfig config{ScheduleKind::Constant, 2, 0.1};
  CHECK(schedule_factor(config, 1, 12) == near(2.0 / 3));
  for (const int step : {2, 5, 11, 12, 100}) CHECK(schedule_factor(config, step, 12) == 1.0);
}

TEST_CASE("a warm-up as long as the run or longer is all warm-up", "[lr_schedule]") {
  for (const auto& [word, kind] : kScheduleKinds) {
    for (int step = 0; step < 5; ++step) {
      CHECK(schedule_factor({kind, 5, 0.1}, step, 5) == near((step + 1) / 6.0));
      CHECK(schedule_factor({kind, 9, 0.1}, step, 5) == near((step + 1) / 10.0));
    }
  }
}

TEST_CASE("runs of no step and of one step have a defined rate", "[lr_schedule]") {
  CHECK(schedule_factor({ScheduleKind::Cosine, 0, 0.1}, 0, 1) == 1.0);
  CHECK(schedule_factor({ScheduleKind::Linear, 0, 0.1}, 0, 1) == 1.0);
  CHECK(schedule_factor({ScheduleKind::Cosine, 1, 0.1}, 0, 1) == near(0.5));
  CHECK(schedule_factor({ScheduleKind::Cosine, 0, 0.1}, 0, 0) == near(0.1));
  CHECK(schedule_factor({ScheduleKind::Constant, 0, 0.1}, 0, 0) == 1.0);
}

TEST_CASE("the factor is finite, within [0, 1] and never rises after warm-up", "[lr_schedule]") {
  for (const auto& [word, kind] : kScheduleKinds) {
    for (const int warmup : {0, 1, 2, 7, 20}) {
      for (const int total : {0, 1, 2, 7, 19}) {
        for (const double fraction : {0.0, 0.1, 1.0}) {
          double before = 1.0;
          for (int step = 0; step <= total + 3; ++step) {
            const double factor = schedule_factor({kind, warmup, fraction}, step, total);
            CHECK((factor >= 0.0 && factor <= 1.0));
            if (step >= warmup) CHECK(factor <= before);
            if (step >= warmup) before = factor;
          }
        }
      }
    }
  }
}
