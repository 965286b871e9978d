// SPDX-License-Identifier: Apache-2.0
#include "experiments/status/status_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "experiments/console/console.h"
#include "experiments/console/json_fields.h"
#include "experiments/console/progress.h"
#include "experiments/console/table.h"
#include "experiments/status/status_shards.h"
#include "experiments/sweep/observed_run.h"
#include "experiments/sweep/sweep_record.h"
#include "experiments/sweep/sweep_session.h"
#include "metrics/files/files.h"
#include "metrics/files/packed_runs.h"
#include "metrics/log/describe_device.h"
#include "metrics/log/run_outcome.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

std::map<RunState, std::size_t> count_states(const StatusReport& report) {
  std::map<RunState, std::size_t> states;
  for (const ReportedRun& run : report.runs) ++states[run.status.state];
  return states;
}

std::string reason_text(const RunStatus& status) {
  std::string text =
      status.divergence_step >= 0 ? fmt::format("step {}: {}", status.divergence_step, status.reason) : status.reason;
  if (status.skipped_steps == 0 || status.state == RunState::Skipped) return text;
  return text + (text.empty() ? "" : "; ") + skipped_text(status.skipped_steps, status.step);
}

// JSON has no NaN and no infinity.
Json number_or_name(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

Json to_json(const Scalar& scalar) {
  if (const auto* real = std::get_if<double>(&scalar)) return number_or_name(*real);
  return std::visit([](const auto& value) { return Json(value); }, scalar);
}

Json to_json(const AxisValue& value) {
  if (!value.is_array) return to_json(value.values.front());
  Json array = Json::array();
  for (const Scalar& element : value.values) array.push_back(to_json(element));
  return array;
}

// "A B C", and how many more there are.
std::string names_text(const std::vector<std::string>& names) {
  constexpr std::size_t kMaxNamed = 10;
  const std::vector<std::string> shown(names.begin(),
                                       names.begin() + static_cast<std::ptrdiff_t>(std::min(kMaxNamed, names.size())));
  const std::size_t left = names.size() - shown.size();
  return fmt::format("{}{}", fmt::join(shown, " "), left > 0 ? fmt::format(" and {} more", left) : "");
}

// What the user should know beside the runs: one line each.
std::string notes(const StatusReport& report) {
  const std::string directory = shell_word(path_argument(report.directory));
  std::string text;
  if (report.index == IndexState::Stale)
    text += fmt::format("index.h5 is older than the runs; precipice merge {} writes it anew\n", directory);
  std::vector<std::string> named_by_id, others;
  for (const std::string& name : report.unlisted) (is_run_id(name) ? named_by_id : others).push_back(name);
  if (!named_by_id.empty())
    text += fmt::format(
        "runs not in sweep.toml: {}; precipice sweep --out {} takes in those of its settings, with --add all\n",
        names_text(named_by_id), directory);
  if (!others.empty())
    text += fmt::format("runs not in sweep.toml, under names of their own: {}\n", names_text(others));
  return text;
}

// A line for each device that is not the CPU, and how many runs were on it.
std::string devices_text(const StatusReport& report) {
  std::map<std::string, std::size_t> devices;
  for (const ReportedRun& run : report.runs)
    if (const DeviceFields& device = run.status.device; !device.device.empty())
      ++devices[fmt::format("{}: {}", device.device, describe(device))];
  std::string text;
  for (const auto& [device, runs] : devices)
    text += report.axes.empty() ? device + "\n" : fmt::format("{} ({} of {} runs)\n", device, runs, report.runs.size());
  return text;
}

// All, or those that a person who waits wants to see most.
std::vector<ReportedRun> chosen_runs(const StatusReport& report, std::size_t max_runs) {
  std::vector<ReportedRun> runs = report.runs;
  if (runs.size() <= max_runs) return runs;
  std::stable_sort(runs.begin(), runs.end(), [](const ReportedRun& a, const ReportedRun& b) {
    const auto rank = [](RunState state) {
      return state == RunState::Running ? 0 : is_finished(state) ? 3 : state == RunState::Pending ? 2 : 1;
    };
    return rank(a.status.state) < rank(b.status.state);
  });
  runs.resize(max_runs);
  return runs;
}

// `record`: the sweep's; none of a single run.
StatusReport listed(const fs::path& directory, std::optional<SweepRecord>& record) {
  StatusReport report{directory, {}, {}};
  record = read_record(directory);
  if (record) {
    check_bundles(directory);
    report.axes = record->axes;
    report.labels = record->labels;
    for (const RecordedRun& run : record->runs) report.runs.push_back({run.id, directory / run.id, run.values, {}});
    return report;
  }
  const RunDirectory run(directory);
  if (!is_there(run.config_file()) && !is_there(run.status_file()))
    throw ConfigError({directory.string(), 0, "", ""},
                      "neither a run directory (config.toml) nor a sweep (sweep.toml)");
  const fs::path name = directory.has_filename() ? directory.filename() : directory.parent_path().filename();
  report.runs.push_back({name.string(), directory, {}, {}});
  return report;
}

}  // namespace

StatusReport list_runs(const fs::path& directory) {
  std::optional<SweepRecord> record;
  return listed(directory, record);
}

StatusReport make_report(const fs::path& directory) {
  std::optional<SweepRecord> record;
  StatusReport report = listed(directory, record);
  if (!record) {
    report.runs.front().status = observe_run(directory);
    return report;
  }
  RunHashes hashes;
  for (ReportedRun& run : report.runs) {
    run.status = observe_run(run.directory, run.id);
    hashes.emplace_back(run.id, run.status.run_file_sha256);
  }
  report.unlisted = unlisted_runs(directory, *record);
  report.index = state_of_index(directory, std::move(hashes));
  add_shards(report);
  return report;
}

std::string summary_line(const StatusReport& report) {
  return report.directory.string() + ": " + describe(count_states(report)) + "\n";
}

std::string to_text(const StatusReport& report, std::int64_t now, std::size_t max_runs, std::size_t max_shards) {
  std::vector<std::vector<std::string>> rows{{"id"}};
  for (const std::string& axis : report.axes) rows[0].push_back(axis);
  const bool any_runs = std::any_of(report.runs.begin(), report.runs.end(),
                                    [](const ReportedRun& run) { return run.status.state == RunState::Running; });
  for (const char* name : {"state", "step", "loss", "step/s", "age", "reason"})
    if (any_runs || name != std::string("step/s")) rows[0].push_back(name);
  for (const ReportedRun& run : chosen_runs(report, max_runs)) {
    const RunStatus& status = run.status;
    std::vector<std::string> row{run.id};
    for (std::size_t a = 0; a < run.values.size(); ++a)
      row.push_back(shown_value(report.labels, report.axes[a], run.values[a]));
    const bool started = status.heartbeat > 0;
    row.push_back(to_string(status.state));
    row.push_back(started ? fmt::format("{}/{}", status.step, status.steps) : "-");
    row.push_back(loss_text(status));
    if (any_runs) row.push_back(status.state == RunState::Running ? format_rate(status.steps_per_second) : "-");
    row.push_back(started ? format_duration(static_cast<double>(std::max<std::int64_t>(0, now - status.heartbeat)))
                          : "-");
    row.push_back(reason_text(status));
    rows.push_back(std::move(row));
  }
  const std::size_t left = report.runs.size() + 1 - rows.size();
  return summary_line(report) + format_table(rows) + (left > 0 ? fmt::format("and {} more\n", left) : "") +
         devices_text(report) + shards_text(report, max_shards) + notes(report);
}

std::string to_json(const StatusReport& report, std::int64_t now, int indent) {
  Json json{{"directory", report.directory.string()}, {"counts", Json::object()}, {"runs", Json::array()}};
  for (const auto& [state, count] : count_states(report)) json["counts"][to_string(state)] = count;
  if (!report.axes.empty()) json["index"] = to_string(report.index), json["unlisted"] = report.unlisted;
  if (!report.axes.empty()) json["shards"] = shards_json(report);
  for (const ReportedRun& run : report.runs) {
    const RunStatus& status = run.status;
    Json values = Json::object();
    Json labels = Json::object();
    for (std::size_t i = 0; i < report.axes.size(); ++i) {
      values[report.axes[i]] = to_json(run.values[i]);
      const std::string shown = shown_value(report.labels, report.axes[i], run.values[i]);
      if (shown != to_text(run.values[i])) labels[report.axes[i]] = shown;
    }
    json["runs"].push_back({{"id", run.id},
                            {"directory", run.directory.string()},
                            {"values", values},
                            {"labels", labels},
                            {"state", to_string(status.state)},
                            {"step", status.step},
                            {"steps", status.steps},
                            {"loss", number_or_name(status.final_loss)},
                            {"divergence_step", status.divergence_step},
                            {"skipped_steps", status.skipped_steps},
                            {"unigram_floor", number_or_name(status.unigram_floor)},
                            {"reason", status.reason},
                            {"age_seconds", status.heartbeat > 0 ? Json(now - status.heartbeat) : Json(nullptr)},
                            {"steps_per_second", number_or_name(status.steps_per_second)},
                            {"wall_seconds", number_or_name(status.wall_seconds)},
                            {"cpu_seconds", number_or_name(status.cpu_seconds)},
                            {"exit_code", status.exit_code}});
    for (const DeviceField& field : kDeviceFields)
      if (const std::string& text = status.device.*field.text; !text.empty()) json["runs"].back()[field.key] = text;
    if (!report.claims.empty()) json["runs"].back()["claim"] = claim_json(report, run.id);
  }
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace precipice
