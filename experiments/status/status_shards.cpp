// SPDX-License-Identifier: Apache-2.0
#include "experiments/status/status_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "experiments/console/progress.h"
#include "experiments/console/table.h"
#include "experiments/sweep/sweep_record.h"

namespace precipice {
namespace {

constexpr std::size_t kMostStale = 5;  // named in the text

struct Total {
  std::size_t running = 0, waiting = 0;
  double steps_per_second = 0, steps_left = 0;
};

// A run that has not begun is as long as the longest that has: its config is not read for a look.
Total total_of(const StatusReport& report) {
  Total total;
  std::int64_t longest = 0;
  for (const ReportedRun& run : report.runs) longest = std::max(longest, run.status.steps);
  for (const ReportedRun& run : report.runs) {
    const RunStatus& status = run.status;
    if (is_finished(status.state) || status.state == RunState::Failed) continue;
    total.steps_left += static_cast<double>((status.steps > 0 ? status.steps : longest) - status.step);
    if (status.state != RunState::Running) {
      ++total.waiting;
      continue;
    }
    ++total.running;
    total.steps_per_second += status.steps_per_second;
  }
  return total;
}

std::map<std::string, double> rates_of(const StatusReport& report) {
  std::map<std::string, double> rates;
  for (const ReportedRun& run : report.runs)
    if (run.status.state == RunState::Running) rates[run.id] = run.status.steps_per_second;
  return rates;
}

double rate_of(const SeenShard& shard, const std::map<std::string, double>& rates) {
  double rate = 0;
  for (const std::string& id : shard.file.running)
    if (const auto run = rates.find(id); run != rates.end()) rate += run->second;
  return rate;
}

std::string running_text(const SeenShard& shard) {
  const std::vector<std::string>& ids = shard.file.running;
  if (ids.empty()) return "-";
  return ids.size() == 1 ? ids[0] : fmt::format("{} and {} more", ids[0], ids.size() - 1);
}

std::string total_text(const StatusReport& report) {
  std::set<std::string> hosts;
  std::size_t working = 0;
  for (const SeenShard& shard : report.shards)
    if (shard.state == ShardState::Working) ++working, hosts.insert(shard.file.process.host);
  if (working == 0) return "";
  const Total total = total_of(report);
  std::string text =
      fmt::format("{} process{} on {} host{} train{} {} run{}", working, working == 1 ? "" : "es", hosts.size(),
                  hosts.size() == 1 ? "" : "s", working == 1 ? "s" : "", total.running, total.running == 1 ? "" : "s");
  if (total.steps_per_second > 0) text += fmt::format(" at {} step/s", format_rate(total.steps_per_second));
  text += fmt::format("; {} wait{}", total.waiting, total.waiting == 1 ? "s" : "");
  if (total.steps_per_second > 0) text += "; ETA " + format_duration(total.steps_left / total.steps_per_second);
  return text + "\n";
}

bool is_stale(const SeenClaim& claim) {
  return claim.state == ClaimState::Gone || claim.state == ClaimState::Stale;
}

std::string stale_text(const StatusReport& report) {
  std::string text;
  std::size_t count = 0;
  for (const auto& [id, claim] : report.claims) {
    if (!is_stale(claim) || ++count > kMostStale) continue;
    text += fmt::format("run {} waits to be taken over: {} (process {} on {}) {}\n", id, claim.record.holder,
                        claim.record.process.pid, claim.record.process.host,
                        claim.state == ClaimState::Gone
                            ? "is gone"
                            : fmt::format("has been silent for {}", format_duration(claim.age)));
  }
  return text + (count > kMostStale ? fmt::format("and {} more such runs\n", count - kMostStale) : "");
}

}  // namespace

void add_shards(StatusReport& report) {
  std::error_code error;
  if (!std::filesystem::is_directory(report.directory / kShardsFolder, error)) return;
  ClaimTimes once;  // there is one look, so nothing can be watched
  once.watch = std::chrono::milliseconds(0);
  ClaimBoard board(report.directory, "status", once);
  report.shards = read_shards(board);
  for (const SeenClaim& claim : board.look_at_all())
    if (is_run_id(claim.id) && claim.state != ClaimState::Free) report.claims[claim.id] = claim;
  for (ReportedRun& run : report.runs) {
    const auto claim = report.claims.find(run.id);
    RunState& state = run.status.state;
    if (claim == report.claims.end() || (state != RunState::Running && state != RunState::Stale)) continue;
    state = is_stale(claim->second) ? RunState::Stale : RunState::Running;
  }
}

std::string shards_text(const StatusReport& report, std::size_t max_rows) {
  if (report.shards.empty()) return stale_text(report);
  const std::map<std::string, double> rates = rates_of(report);
  std::vector<std::vector<std::string>> rows{
      {"process", "host", "pid", "state", "trains", "step/s", "ended", "failed", "time left", "heard"}};
  for (const SeenShard& shard : report.shards) {
    if (rows.size() > max_rows) break;
    const ShardFile& file = shard.file;
    rows.push_back({file.name, file.process.host, std::to_string(file.process.pid), to_string(shard.state),
                    running_text(shard), format_rate(rate_of(shard, rates)), std::to_string(file.finished),
                    std::to_string(file.failed),
                    file.seconds_left < 0 ? "-" : format_duration(static_cast<double>(file.seconds_left)),
                    format_duration(shard.age)});
  }
  const std::size_t left = report.shards.size() + 1 - rows.size();
  return total_text(report) + format_table(rows) + (left > 0 ? fmt::format("and {} more processes\n", left) : "") +
         stale_text(report);
}

std::size_t count_shard_lines(const StatusReport& report, std::size_t max_rows) {
  const std::string text = shards_text(report, max_rows);
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

nlohmann::ordered_json shards_json(const StatusReport& report) {
  nlohmann::ordered_json shards = nlohmann::ordered_json::array();
  const std::map<std::string, double> rates = rates_of(report);
  for (const SeenShard& shard : report.shards) {
    const ShardFile& file = shard.file;
    shards.push_back(
        {{"name", file.name},
         {"state", to_string(shard.state)},
         {"host", file.process.host},
         {"pid", file.process.pid},
         {"program", file.program},
         {"jobs", file.jobs},
         {"running", file.running},
         {"steps_per_second", rate_of(shard, rates)},
         {"finished", file.finished},
         {"failed", file.failed},
         {"seconds_left", file.seconds_left < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(file.seconds_left)},
         {"age_seconds", shard.age},
         {"clock_offset_seconds", shard.clock_offset}});
  }
  return shards;
}

nlohmann::ordered_json claim_json(const StatusReport& report, const std::string& id) {
  const auto found = report.claims.find(id);
  if (found == report.claims.end()) return {};
  const SeenClaim& claim = found->second;
  return {{"holder", claim.record.holder},
          {"host", claim.record.process.host},
          {"pid", claim.record.process.pid},
          {"state", to_string(claim.state)},
          {"age_seconds", std::max(0.0, claim.age)}};
}

}  // namespace precipice
