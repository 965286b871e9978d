// SPDX-License-Identifier: Apache-2.0
// What keeps the former holder of a run, thought dead and only asleep, from writing into the run of its successor. Each
// process works in the directory that it has opened, by its descriptor (metrics/files/directory.h): nothing that it still
// writes leaves that directory. So the successor gets a new directory of the run's name, and the old one goes:
//   1. DIR/shards/<run>.<number>.new is made: second names, by link(2), of the files that are replaced whole and never
//      changed (config, checkpoints, run.h5, status, ...), copies of those that are appended to (metrics.jnl, log.txt).
//   2. DIR/<run> is renamed to DIR/shards/<run>.<number>.old.
//   3. The new one is renamed to DIR/<run>.
//   4. The old one is removed. What its process still writes there is gone; and it finds that its path leads elsewhere.
// A kill between 2 and 3 leaves no DIR/<run>: put_back_run, which every holder calls first, does step 3. `number` is the
// claim's, so that two successors never make one name.
// What is not guarded: a successor that falls asleep itself between its look at its claim and step 2, for longer than
// claims take to be stale, moves its own successor's directory away. It looks again after 3, and undoes both steps.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "metrics/files/directory.h"

namespace precipice {

// Of a claim that this process holds. Nothing happens where the run has no directory. `is_ours` is asked before step 2
// and after 3. Throws OutputError, also where the run was taken over meanwhile.
void renew_run_directory(const Directory& sweep, const Directory& shards, const std::string& id, std::int64_t number,
                         const std::function<bool()>& is_ours);

// Step 3 of a process that was killed before it, and the removal of what such processes left.
void put_back_run(const Directory& sweep, const Directory& shards, const std::string& id);

}  // namespace precipice
