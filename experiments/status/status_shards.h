// SPDX-License-Identifier: Apache-2.0
// What `precipice status` says of the processes that work at a sweep, on whatever hosts (experiments/shards): who they
// are, what each trains and how fast, what has gone silent, and when all will be done.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "experiments/status/status_report.h"

namespace precipice {

// Claims and shards of the sweep, and states of runs as their claims tell them: a run that is said to be running runs
// while its claim is held, whatever the clocks of the hosts say, and is stale where its holder is gone or silent. Nothing
// changes where no process of a sweep has left anything.
void add_shards(StatusReport& report);

// "2 shards on 2 hosts train 4 runs at 512 step/s; 30 wait; ETA 14m", a table of the shards, at most `max_rows` of them,
// and the claims whose holder is gone or silent. "" where no process is at work.
std::string shards_text(const StatusReport& report, std::size_t max_rows);
std::size_t count_shard_lines(const StatusReport& report, std::size_t max_rows);

nlohmann::ordered_json shards_json(const StatusReport& report);
// Of one run: null where nobody has a claim on it.
nlohmann::ordered_json claim_json(const StatusReport& report, const std::string& id);

}  // namespace precipice
