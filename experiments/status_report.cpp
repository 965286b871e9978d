// SPDX-License-Identifier: Apache-2.0
#include "experiments/status_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/progress.h"
#include "experiments/run_directory.h"
#include "experiments/sweep_record.h"
#include "experiments/sweep_session.h"
#include "experiments/table.h"
#include "metrics/run_outcome.h"
#include "precision/check.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

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
Json number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

Json to_json(const Scalar& scalar) {
  if (const auto* real = std::get_if<double>(&scalar)) return number(*real);
  return std::visit([](const auto& value) { return Json(value); }, scalar);
}

Json to_json(const AxisValue& value) {
  if (!value.is_array) return to_json(value.values.front());
  Json array = Json::array();
  for (const Scalar& element : value.values) array.push_back(to_json(element));
  return array;
}

}  // namespace

StatusReport make_report(const fs::path& directory) {
  StatusReport report{directory, {}, {}};
  if (const auto record = read_record(directory)) {
    report.axes = record->axes;
    for (const RecordedRun& run : record->runs)
      report.runs.push_back({run.id, directory / run.id, run.values, observe_run(directory / run.id)});
    return report;
  }
  if (!fs::exists(directory / kConfigFileName) && !fs::exists(directory / kStatusFileName))
    throw ConfigError({directory.string(), 0, "", ""},
                      "neither a run directory (config.toml) nor a sweep (sweep.toml)");
  const fs::path name = directory.has_filename() ? directory.filename() : directory.parent_path().filename();
  report.runs.push_back({name.string(), directory, {}, observe_run(directory)});
  return report;
}

std::string to_text(const StatusReport& report, std::int64_t now) {
  std::string text = report.directory.string() + ": " + describe(count_states(report)) + "\n";
  std::vector<std::vector<std::string>> rows{{"id"}};
  for (const std::string& axis : report.axes) rows[0].push_back(axis);
  for (const char* name : {"state", "step", "loss", "age", "reason"}) rows[0].push_back(name);
  for (const ReportedRun& run : report.runs) {
    const RunStatus& status = run.status;
    std::vector<std::string> row{run.id};
    for (const AxisValue& value : run.values) row.push_back(to_text(value));
    const bool started = status.heartbeat > 0;
    row.push_back(to_string(status.state));
    row.push_back(started ? fmt::format("{}/{}", status.step, status.steps) : "-");
    row.push_back(loss_text(status));
    row.push_back(started ? format_duration(static_cast<double>(std::max<std::int64_t>(0, now - status.heartbeat)))
                          : "-");
    row.push_back(reason_text(status));
    rows.push_back(std::move(row));
  }
  return text + format_table(rows);
}

std::string to_json(const StatusReport& report, std::int64_t now) {
  Json json{{"directory", report.directory.string()}, {"counts", Json::object()}, {"runs", Json::array()}};
  for (const auto& [state, count] : count_states(report)) json["counts"][to_string(state)] = count;
  for (const ReportedRun& run : report.runs) {
    const RunStatus& status = run.status;
    Json values = Json::object();
    for (std::size_t i = 0; i < report.axes.size(); ++i) values[report.axes[i]] = to_json(run.values[i]);
    json["runs"].push_back({{"id", run.id},
                            {"directory", run.directory.string()},
                            {"values", values},
                            {"state", to_string(status.state)},
                            {"step", status.step},
                            {"steps", status.steps},
                            {"loss", number(status.final_loss)},
                            {"divergence_step", status.divergence_step},
                            {"skipped_steps", status.skipped_steps},
                            {"unigram_floor", number(status.unigram_floor)},
                            {"reason", status.reason},
                            {"age_seconds", status.heartbeat > 0 ? Json(now - status.heartbeat) : Json(nullptr)},
                            {"steps_per_second", number(status.steps_per_second)},
                            {"wall_seconds", number(status.wall_seconds)},
                            {"exit_code", status.exit_code}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace precipice
