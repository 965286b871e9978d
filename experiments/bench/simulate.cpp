// SPDX-License-Identifier: Apache-2.0
#include "experiments/bench/simulate.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "experiments/bench/child_process.h"
#include "experiments/shards/shared_runs.h"
#include "experiments/sweep/sweep.h"
#include "experiments/sweep/sweep_record.h"
#include "metrics/files/directory.h"
#include "metrics/files/files.h"
#include "metrics/log/run_file.h"
#include "metrics/log/step_record.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"
#include "precision/base/seconds_since.h"
#include "train/run/provenance.h"
#include "train/run/run_directory.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kMostSimulated = 1'000'000, kMostShards = 1024;
constexpr std::int64_t kRates = 25;      // and four recipes: cells of runs / 100 seeds each
constexpr std::int64_t kChunk = 10'000;  // runs that one sweep may have
constexpr std::int64_t kSimulatedSteps = 200;
constexpr const char* kDoneMark = "done";

// What one process has counted, sent through a pipe.
struct ShardCounts {
  std::int64_t claims = 0, twice = 0, lost_races = 0, held = 0, stolen = 0;
};

std::vector<SweepRun> chunk_of_runs(std::int64_t first_seed, std::int64_t seeds, Sweep& sweep) {
  sweep = make_sweep({}, read_assignments({fmt::format("train.steps={}", kSimulatedSteps),
                                           "precision.recipe=bf16,fp8,"
                                           "mxfp8,nvfp4",
                                           fmt::format("optimizer.lr=logspace(1e-4,1e-1,{})", kRates),
                                           fmt::format("seed=range({},{})", first_seed, first_seed + seeds)}));
  return expand_sweep(sweep);
}

std::vector<SweepRun> simulated_runs(std::int64_t count, SweepRecord& record) {
  std::vector<SweepRun> runs;
  constexpr std::int64_t kCells = 4 * kRates, kSeeds = kChunk / kCells;
  for (std::int64_t seed = 0; static_cast<std::int64_t>(runs.size()) < count; seed += kSeeds) {
    const std::int64_t left = count - static_cast<std::int64_t>(runs.size());
    Sweep sweep;
    // One seed would be no axis.
    for (SweepRun& run : chunk_of_runs(seed, std::clamp<std::int64_t>((left + kCells - 1) / kCells, 2, kSeeds), sweep))
      if (static_cast<std::int64_t>(runs.size()) < count) runs.push_back(std::move(run));
    if (record.axes.empty()) record = make_record(sweep, {}, "precipice sweep simulated.toml");
  }
  for (const SweepRun& run : runs) record.runs.push_back({run.id, run.values});
  return runs;
}

// One process: what a shard does but for training. Its own share comes first, then the others' from the end.
ShardCounts work_as_shard(const fs::path& directory, const std::vector<SweepRun>& runs, const ShardIndex& index) {
  ShardCounts counts;
  SharedRuns shared(directory, index, [](const std::string&) {});
  std::vector<std::string> waiting;
  for (const SweepRun& run : runs) waiting.push_back(run.id);
  const auto others =
      std::stable_partition(waiting.begin(), waiting.end(), [&](const std::string& id) { return shared.is_own(id); });
  std::reverse(others, waiting.end());
  while (!waiting.empty()) {
    std::vector<std::string> again;
    for (const std::string& id : waiting) {
      const fs::path done = directory / id / kDoneMark;
      std::error_code ignored;
      shared.renew();
      if (fs::exists(done, ignored)) continue;
      if (shared.take(id) == SharedRuns::Taking::Held) {
        ++counts.held;
        again.push_back(id);
        continue;
      }
      // As a shard looks at the run once more when it has it.
      if (!fs::exists(done, ignored)) {
        ++counts.claims;
        counts.stolen += !shared.is_own(id);
        make_directories(directory / id);
        counts.twice += !Directory(directory / id).make_exclusive(kDoneMark, "", std::to_string(getpid()));
      }
      shared.finish(id);
    }
    waiting = std::move(again);
    if (!waiting.empty()) usleep(20'000);
  }
  counts.lost_races = static_cast<std::int64_t>(shared.board()->lost_races());
  return counts;
}

// All shards at once, each a process.
void run_shards(const fs::path& directory, const std::vector<SweepRun>& runs, Simulation& simulation) {
  int ends[2];
  if (pipe(ends) != 0) throw OutputError("bench: pipe: " + system_reason(errno));
  const auto begin = Clock::now();
  std::vector<pid_t> children;
  for (std::int64_t i = 0; i < simulation.size.shards; ++i) {
    const pid_t child = fork();
    if (child < 0) throw OutputError("bench: cannot start a process: " + system_reason(errno));
    if (child == 0) {
      try {
        const ShardCounts counts = work_as_shard(directory, runs, {i, simulation.size.shards});
        _exit(write(ends[1], &counts, sizeof counts) == sizeof counts ? 0 : 1);
      } catch (const std::exception&) {
        _exit(1);
      }
    }
    children.push_back(child);
  }
  close(ends[1]);
  ShardCounts counts;
  while (read(ends[0], &counts, sizeof counts) == sizeof counts) {
    simulation.claims += counts.claims, simulation.twice += counts.twice, simulation.held += counts.held;
    simulation.lost_races += counts.lost_races, simulation.stolen += counts.stolen;
  }
  close(ends[0]);
  simulation.claim_seconds = seconds_since(begin);
  bool failed = false;
  for (const pid_t child : children) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    failed = failed || status != 0;
  }
  if (failed) throw OutputError("bench: a pretended shard failed");
}

// The log of a run of a few hundred steps with its default probes, about.
RunSeries pretended_series() {
  RunSeries series;
  series.groups = {step_record_group(),
                   {"eval", {{"validation_loss", "nats", "validation loss"}}, {}},
                   {"sharpness", {{"logit_sharpness", "1", "pretended"}, {"top_share", "1", "pretended"}}, {}},
                   {"tensors", {}, {}}};
  for (int site = 0; site < 24; ++site) series.groups[3].sites.push_back(fmt::format("layer{}.site", site));
  for (int s = 0; s < 20; ++s) series.groups[3].series.push_back({fmt::format("series{}", s), "1", "pretended"});
  const auto values = [](std::size_t count, std::int64_t step) {
    std::vector<double> row(count);
    for (std::size_t i = 0; i < count; ++i) row[i] = std::sin(static_cast<double>(step) + 0.1 * static_cast<double>(i));
    return row;
  };
  for (std::int64_t step = 0; step < kSimulatedSteps; ++step) {
    StepRecord record;
    record.train_loss = 4 - 0.01 * static_cast<double>(step);
    record.grad_norm = 1;
    series.rows.push_back({0, step, to_values(record)});
    if (step % 5 == 0) series.rows.push_back({2, step, values(2, step)});
    if (step % 10 == 0) series.rows.push_back({3, step, values(series.groups[3].row_width(), step)});
  }
  series.rows.push_back({1, kSimulatedSteps, {2}});
  return series;
}

// Makes finished runs of those that were pretended, for `status` and `merge`; nothing is synced to the disk.
void fill_runs(const fs::path& directory, const std::vector<SweepRun>& runs) {
  RunFileHeader header;
  header.text = provenance();
  const std::string bytes = build_run_file(pretended_series(), header), hash = sha256_hex(bytes);
  const std::string unique = std::to_string(getpid());
  RunStatus status;
  stamp(status);
  status.state = RunState::Done;
  status.step = status.steps = kSimulatedSteps;
  status.final_loss = 2;
  status.steps_per_second = 100;
  status.run_file_sha256 = hash;
  status.run_id = runs.front().id;
  const Directory sweep(directory);
  write_status(sweep, status, "template");
  const std::string text = sweep.read("template", 1 << 20);
  sweep.remove("template");
  const std::size_t place = text.find(status.run_id);
  for (const SweepRun& run : runs) {
    const Directory folder(directory / run.id);
    folder.remove(kDoneMark);
    folder.make_exclusive(kConfigFileName, to_toml(run.config), unique);
    folder.make_exclusive(kRunFileName, bytes, unique);
    folder.make_exclusive(kStatusFileName, std::string(text).replace(place, run.id.size(), run.id), unique);
  }
}

}  // namespace

SimulatedSweep parse_simulation(const std::string& text) {
  const std::size_t times = text.find('x');
  const auto runs = parse_number<std::int64_t>(text.substr(0, times));
  const auto shards = times == std::string::npos ? std::nullopt : parse_number<std::int64_t>(text.substr(times + 1));
  if (!runs || !shards || *runs < 1 || *runs > kMostSimulated || *shards < 1 || *shards > kMostShards)
    throw ConfigError({"", 0, "simulate", text},
                      fmt::format("must be RUNSxSHARDS, such as 10000x64, with up to {} runs and {} shards",
                                  kMostSimulated, kMostShards));
  return {*runs, *shards};
}

Simulation simulate_sweep(const SimulatedSweep& size, const fs::path& parent) {
  Simulation simulation;
  simulation.size = size;
  const BenchFolder folder(parent);
  SweepRecord record;
  const std::vector<SweepRun> runs = simulated_runs(size.runs, record);
  write_record(folder.path(), record);
  run_shards(folder.path(), runs, simulation);
  simulation.files_left = static_cast<std::int64_t>(Directory(folder.path() / kShardsFolder).names().size());
  fill_runs(folder.path(), runs);
  std::tie(simulation.status_seconds, simulation.status_megabytes) = run_child({"status", folder.path().string()});
  std::tie(simulation.merge_seconds, simulation.merge_megabytes) = run_child({"merge", folder.path().string()});
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) simulation.files += entry.is_regular_file();
  return simulation;
}

std::string to_text(const Simulation& s) {
  const auto runs = static_cast<double>(s.size.runs);
  return fmt::format(
      "{} runs by {} processes\n"
      "claims      {} in {:.2f} s, {:.0f} a second; {} runs done twice\n"
      "contention  {} races lost, {} times another process had the run; {} runs were taken from another's share\n"
      "files       {} left in {}/, {} in all\n"
      "status      {:.2f} s, {:.0f} MB, {:.2f} ms a run\n"
      "merge       {:.2f} s, {:.0f} MB, {:.2f} ms a run\n",
      s.size.runs, s.size.shards, s.claims, s.claim_seconds, static_cast<double>(s.claims) / s.claim_seconds, s.twice,
      s.lost_races, s.held, s.stolen, s.files_left, kShardsFolder, s.files, s.status_seconds, s.status_megabytes,
      1e3 * s.status_seconds / runs, s.merge_seconds, s.merge_megabytes, 1e3 * s.merge_seconds / runs);
}

std::string to_json(const Simulation& s) {
  const nlohmann::ordered_json json{{"runs", s.size.runs},
                                    {"shards", s.size.shards},
                                    {"claims", s.claims},
                                    {"claim_seconds", s.claim_seconds},
                                    {"claims_per_second", static_cast<double>(s.claims) / s.claim_seconds},
                                    {"done_twice", s.twice},
                                    {"races_lost", s.lost_races},
                                    {"held_by_others", s.held},
                                    {"taken_from_others", s.stolen},
                                    {"files_left_in_shards", s.files_left},
                                    {"files", s.files},
                                    {"status_seconds", s.status_seconds},
                                    {"status_megabytes", s.status_megabytes},
                                    {"merge_seconds", s.merge_seconds},
                                    {"merge_megabytes", s.merge_megabytes}};
  return json.dump(2) + "\n";
}

}  // namespace precipice
