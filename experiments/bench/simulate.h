// SPDX-License-Identifier: Apache-2.0
// `precipice bench sweep --simulate 10000x64`: the claims of a sweep of many runs by many processes on one file system,
// with runs that are only pretended, so that what is measured is what sharing costs (experiments/shards); and the time
// and memory of `status` and `merge` on such a sweep. What a real sweep of so many runs takes on a cluster besides is its
// training.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace precipice {

struct SimulatedSweep {
  std::int64_t runs = 0, shards = 0;
};
// "10000x64", runs up to 10^6 and shards up to 1024. Throws ConfigError of the parameter `simulate`.
SimulatedSweep parse_simulation(const std::string& text);

struct Simulation {
  SimulatedSweep size;
  double claim_seconds = 0;     // from the first claim to the last
  std::int64_t claims = 0;      // taken; one for each run where nothing went wrong
  std::int64_t twice = 0;       // runs that two processes did: 0, or the protocol is broken
  std::int64_t lost_races = 0;  // another process was faster with a claim
  std::int64_t held = 0;        // a run that was looked at while another process had it
  std::int64_t stolen = 0;      // runs of another shard's share
  std::int64_t files_left = 0;  // in DIR/shards when all had ended
  std::int64_t files = 0;       // of the whole sweep directory afterwards
  double status_seconds = 0, status_megabytes = 0;
  double merge_seconds = 0, merge_megabytes = 0;
};

// In a folder of its own below `parent`, which is removed. Throws OutputError.
Simulation simulate_sweep(const SimulatedSweep& size, const std::filesystem::path& parent);

std::string to_text(const Simulation& simulation);
std::string to_json(const Simulation& simulation);

}  // namespace precipice
