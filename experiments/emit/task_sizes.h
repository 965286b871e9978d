// SPDX-License-Identifier: Apache-2.0
// Into how many tasks a sweep is cut, and how long each may take. Tasks of 30 to 60 minutes: long beside what a scheduler
// needs to start one, short enough for the gaps that it fills. The aim is 45 minutes of measured steps, to which probes
// and validation add. Arithmetic only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace precipice {

struct SweepSeconds {
  double all = std::numeric_limits<double>::quiet_NaN();      // of the runs, one after another; NaN: not measured
  double longest = std::numeric_limits<double>::quiet_NaN();  // of one run
};

struct TaskSizes {
  std::int64_t tasks = 1;
  double seconds = 0;  // of a task; NaN where nothing was measured
  std::int64_t limit_minutes = 60, budget_minutes = 55;
};

// `asked`: the number of tasks, 0 for as many as the aim says, of which there are at most `most`. `jobs`: runs at once in
// a task. A task's limit is an hour, or half as long again as it should take, or twice its longest run, which must end
// within it; its own budget ends five minutes before.
TaskSizes size_tasks(const SweepSeconds& seconds, std::size_t runs, std::int64_t jobs, std::int64_t most,
                     std::int64_t asked);

}  // namespace precipice
