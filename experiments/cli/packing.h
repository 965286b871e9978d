// SPDX-License-Identifier: Apache-2.0
// sweep --pack: what a sweep that packs its runs does as it goes on and at its end.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "experiments/console/console.h"
#include "experiments/console/lost_output.h"
#include "experiments/shards/shard_index.h"
#include "experiments/sweep/pack.h"
#include "experiments/sweep/sweep_record.h"
#include "precision/base/check.h"

namespace precipice {

// Packs runs as they end, and what earlier commands left loose at the end. That it fails is no reason to stop training: the
// runs stay in their directories.
class Packing {
 public:
  Packing(const std::filesystem::path& directory, bool wanted, const std::optional<ShardIndex>& shard)
      : directory_(directory),
        wanted_(wanted),
        bundle_(default_bundle_name() + (shard ? fmt::format("-shard-{}", shard->index) : "")),
        as_they_end_(directory, bundle_) {}

  void ended(const std::string& id) {
    if (wanted_) attempt([&] { return as_they_end_.add(id); });
  }
  void pack_rest(const SweepRecord& record) {
    std::vector<std::string> ids;
    for (const RecordedRun& run : record.runs) ids.push_back(run.id);
    if (wanted_) attempt([&] { return pack_runs(directory_, ids, bundle_); });
  }

 private:
  template <class Pack>
  void attempt(const Pack& pack) {
    try {
      const PackResult result = pack();
      for (const std::string& why : result.stayed) print_note(fmt::format("not packed: {}\n", why));
      if (result.runs > 0) print_note(pack_line(result));
    } catch (const Error& error) {
      print_note(fmt::format("not packed: {}\n", error.what()));
    }
  }

  std::filesystem::path directory_;
  bool wanted_;
  std::string bundle_;  // each shard has its own
  PackAsTheyEnd as_they_end_;
};

}  // namespace precipice
