// SPDX-License-Identifier: Apache-2.0
#include "experiments/emit/task_sizes.h"

#include <cmath>

#include "precision/base/special_numbers.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

constexpr double kMinute = 60;

}  // namespace

TEST_CASE("tasks take 30 to 60 minutes where there is work for that, and a short sweep is one task") {
  // 10,000 runs of 13 s: 36 hours.
  const TaskSizes many = size_tasks({10'000 * 13.0, 13}, 10'000, 1, 1000, 0);
  CHECK(many.tasks == 49);
  CHECK(many.seconds > 30 * kMinute);
  CHECK(many.seconds < 60 * kMinute);
  CHECK(size_tasks({180, 5}, 36, 1, 1000, 0).tasks == 1);
  for (const double hours : {1.6, 3.0, 20.0, 300.0}) {
    const TaskSizes sizes = size_tasks({hours * 60 * kMinute, 10 * kMinute}, 100'000, 1, 100'000, 0);
    CAPTURE(hours, sizes.tasks);
    CHECK(sizes.seconds >= 30 * kMinute);
    CHECK(sizes.seconds <= 60 * kMinute);
  }
}

TEST_CASE("there are no more tasks than the array may have, than full tasks, or than were asked for") {
  const SweepSeconds week{7 * 24 * 60 * kMinute, 2 * kMinute};
  CHECK(size_tasks(week, 5000, 1, 100, 0).tasks == 100);
  CHECK(size_tasks(week, 5000, 1, 1000, 0).tasks == 224);  // a week is 10080 minutes
  CHECK(size_tasks(week, 5000, 4, 1000, 0).tasks == 56);   // four runs at once: a quarter of the time
  CHECK(size_tasks({7 * 24 * 60 * kMinute, 1440 * kMinute}, 7, 2, 1000, 0).tasks == 4);
  CHECK(size_tasks(week, 5000, 1, 1000, 3).tasks == 3);
  CHECK(size_tasks({1, 1}, 2, 1, 1000, 8).tasks == 8);
}

TEST_CASE("the limit leaves room for the longest run and for a slow machine, and the budget ends before it") {
  CHECK(size_tasks({180, 5}, 36, 1, 1000, 0).limit_minutes == 60);
  // A run of 100 minutes: 200, in quarters of an hour.
  const TaskSizes longer = size_tasks({1000 * kMinute, 100 * kMinute}, 10, 1, 1000, 0);
  CHECK(longer.limit_minutes == 210);
  CHECK(longer.budget_minutes == 205);
  // Two tasks for ten hours: five hours each, and half of that for slow machines.
  CHECK(size_tasks({600 * kMinute, kMinute}, 600, 1, 2, 0).limit_minutes == 450);
}

TEST_CASE("without a measured time there is a task for each run that has a place in it, up to the limit") {
  const TaskSizes sizes = size_tasks({}, 36, 4, 1000, 0);
  CHECK(sizes.tasks == 9);
  CHECK(std::isnan(sizes.seconds));
  CHECK(sizes.limit_minutes == 60);
  CHECK(size_tasks({kNaN, kNaN}, 36, 1, 10, 0).tasks == 10);
}
