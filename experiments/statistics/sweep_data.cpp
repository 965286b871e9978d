// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/sweep_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "experiments/statistics/run_readers.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr const char* kRecipe = "precision.recipe";

// Whether runs of equal values of `leader` have equal values of `axis`: axes that move together.
bool is_determined_by(const StatusReport& report, std::size_t axis, std::size_t leader) {
  std::map<std::string, std::string> seen;
  return std::all_of(report.runs.begin(), report.runs.end(), [&](const ReportedRun& run) {
    const std::string value = to_text(run.values[axis]);
    return seen.emplace(to_text(run.values[leader]), value).first->second == value;
  });
}

// Moves together with an axis whose values have labels, which say what both are.
bool is_named_by_another(const StatusReport& report, std::size_t axis) {
  if (report.labels.contains(report.axes[axis])) return false;
  for (std::size_t leader = 0; leader < report.axes.size(); ++leader)
    if (leader != axis && report.labels.contains(report.axes[leader]) && is_determined_by(report, axis, leader))
      return true;
  return false;
}

// Axes with several values that are neither seeds nor the learning rate, nor named by the labels of another axis.
std::vector<std::size_t> format_axes(const StatusReport& report) {
  std::vector<std::size_t> chosen;
  for (std::size_t a = 0; a < report.axes.size(); ++a) {
    if (is_seed_axis(report.axes[a]) || report.axes[a] == "optimizer.lr" || is_named_by_another(report, a)) continue;
    const bool varies = std::any_of(report.runs.begin(), report.runs.end(), [&](const ReportedRun& run) {
      return !(run.values[a] == report.runs.front().values[a]);
    });
    if (varies) chosen.push_back(a);
  }
  return chosen;
}

// Without `labels`: by the values themselves.
std::string format_of(const StatusReport& report, const ReportedRun& run, const std::vector<std::size_t>& axes,
                      const RunConfig& config, const AxisLabels& labels) {
  std::vector<std::string> parts;
  for (const std::size_t a : axes) {
    const std::string& key = report.axes[a];
    const std::string value = shown_value(labels, key, run.values[a]);
    if (key == kRecipe)
      parts.insert(parts.begin(), value);
    else
      parts.push_back(fmt::format("{}={}", key.substr(key.rfind('.') + 1), value));
  }
  return parts.empty() ? config.precision.recipe : fmt::format("{}", fmt::join(parts, ", "));
}

std::vector<ReadRun> runs_of(const StatusReport& report) {
  std::vector<ReadRun> runs;
  // A run by itself may have any name.
  for (const ReportedRun& run : report.runs) runs.push_back({run.directory, report.axes.empty() ? "" : run.id});
  return runs;
}

// Of ForIndex no run keeps series with sites that are too many, of all groups together or of one group if each run had as
// many of them (index_series.h).
void leave_out_sites(SweepData& data, bool all) {
  for (const AnalysedRun& run : data.runs)
    for (const auto& [name, group] : run.columns)
      if (!group.sites.empty() && (all || (run.ended() && group.values() > kMostSiteValues / data.runs.size())))
        data.left_out.insert(name);
  for (AnalysedRun& run : data.runs)
    std::erase_if(run.columns, [&data](const auto& entry) {
      return !entry.second.sites.empty() && data.left_out.contains(entry.first);
    });
}

std::string hash_under(const AnalysedRun& run, const std::string& key) {
  for (const RunInput& input : run.inputs)
    if (input.key == key) return input.sha256.substr(0, 8);
  return "unknown";
}

// The inputs that runs of one cell do not share.
std::vector<std::string> mixed_inputs(const SweepData& data) {
  std::vector<std::string> mixed;
  for (const char* key : {"data.path", "init.from"}) {
    std::map<std::pair<std::string, double>, std::set<std::string>> hashes;
    for (const AnalysedRun& run : data.runs)
      if (run.usable()) hashes[{run.format, run.learning_rate}].insert(hash_under(run, key));
    const auto is_mixed = [](const auto& cell) { return cell.second.size() > 1; };
    if (std::any_of(hashes.begin(), hashes.end(), is_mixed)) mixed.push_back(key);
  }
  return mixed;
}

// Where a cell would hold runs trained on different files, the hash of the file joins the format of every run.
void split_by_inputs(SweepData& data) {
  const std::vector<std::string> mixed = mixed_inputs(data);
  for (const std::string& key : mixed) {
    const std::string name = mixed.size() > 1 ? key.substr(0, key.find('.')) + ".sha256" : "sha256";
    std::set<std::string> found;
    for (AnalysedRun& run : data.runs) {
      const std::string hash = hash_under(run, key);
      if (run.usable()) found.insert(hash);
      run.format += fmt::format(", {}={}", name, hash);
      run.settings[key + ".sha256"] = hash;
    }
    data.split += fmt::format(
        "{}runs that differ in nothing but seeds were trained on different files ({}, SHA-256 {}): "
        "they are in different cells",
        data.split.empty() ? "" : "; ", key, fmt::join(found, ", "));
  }
}

// `plain`: the formats by their values, in the same order.
std::string choose_reference(const std::vector<std::string>& formats, const std::vector<std::string>& plain,
                             const std::string& wanted) {
  if (!wanted.empty()) {
    if (std::find(formats.begin(), formats.end(), wanted) != formats.end()) return wanted;
    const std::string near = nearest_word(wanted, formats);
    throw ConfigError({"", 0, "reference", wanted},
                      fmt::format("{}the formats are {}", near.empty() ? "" : fmt::format("did you mean {}? ", near),
                                  fmt::join(formats, "; ")));
  }
  for (const char* usual : {"bf16", "fp32", "tf32"})
    for (std::size_t i = 0; i < formats.size(); ++i)
      if (plain[i] == usual || plain[i].starts_with(std::string(usual) + ",")) return formats[i];
  return formats.empty() ? "" : formats.front();
}

}  // namespace

bool is_seed_axis(const std::string& axis) {
  return axis == "seed" || axis.ends_with(".seed");
}

bool AnalysedRun::diverged() const {
  return status.state == RunState::Diverged || (status.state == RunState::Done && status.divergence_step >= 0);
}

bool AnalysedRun::untrained() const {
  return status.state == RunState::Untrained;
}

bool AnalysedRun::skipped() const {
  return status.state == RunState::Skipped;
}

bool AnalysedRun::ended() const {
  return usable() && is_finished(status.state);
}

double AnalysedRun::initial_loss() const {
  const std::vector<double>* losses = find_series(columns, "metrics", "train_loss");
  if (losses != nullptr)
    for (const double loss : *losses)
      if (std::isfinite(loss)) return loss;
  return kNaN;
}

double AnalysedRun::final_loss() const {
  if (!ended()) return kNaN;
  if (diverged()) return kInfinity;
  const std::vector<double>* losses = find_series(columns, "eval", "validation_loss");
  return losses == nullptr || losses->empty() ? kNaN : std::isnan(losses->back()) ? kInfinity : losses->back();
}

double AnalysedRun::end_step() const {
  if (diverged() && status.divergence_step >= 0) return static_cast<double>(status.divergence_step);
  const auto metrics = columns.find("metrics");
  if (metrics == columns.end() || metrics->second.steps.empty()) return 0;
  return static_cast<double>(metrics->second.steps.back());
}

LabelInput AnalysedRun::label_input() const {
  LabelInput input;
  const auto metrics = columns.find("metrics");
  if (metrics != columns.end()) input.steps = metrics->second.steps;
  if (const auto* losses = find_series(columns, "metrics", "train_loss")) input.loss = *losses;
  if (const auto* norms = find_series(columns, "metrics", "grad_norm")) input.grad_norm = *norms;
  if (const auto* skipped = find_series(columns, "metrics", "skipped")) input.skipped = *skipped;
  if (const auto* losses = find_series(columns, "eval", "validation_loss"); losses != nullptr && !losses->empty())
    input.validation_loss = losses->back();
  input.unigram_floor = status.unigram_floor;
  input.total_steps = config.train.steps;
  input.warmup_steps = config.schedule.warmup_steps;
  input.finished = is_finished(status.state);
  input.stopped = status.state == RunState::Diverged && config.divergence.stop;
  input.detector = config.divergence;
  return input;
}

std::vector<const AnalysedRun*> SweepData::cell(const std::string& format, double learning_rate) const {
  std::vector<const AnalysedRun*> chosen;
  for (const AnalysedRun& run : runs)
    if (run.format == format && run.learning_rate == learning_rate) chosen.push_back(&run);
  return chosen;
}

std::vector<std::string> SweepData::problems() const {
  std::vector<std::string> lines;
  if (!split.empty()) lines.push_back(split);
  for (const AnalysedRun& run : runs) {
    if (!run.usable())
      lines.push_back(fmt::format("{}: {}: {}", run.id, to_string(run.status.state), run.problem));
    else if (!run.ended())
      lines.push_back(
          fmt::format("{}: {} at step {}: counts as not ended", run.id, to_string(run.status.state), run.status.step));
  }
  return lines;
}

namespace {

// `read` puts in what a run's files, or its plan, say.
SweepData arranged(const StatusReport& report, const std::string& reference,
                   const std::function<void(AnalysedRun&)>& read) {
  SweepData data;
  data.directory = report.directory;
  data.axes = report.axes;
  data.labels = report.labels;
  std::vector<std::string> plain_formats, plain_of_runs;  // by values, without labels and hashes
  const std::vector<std::size_t> axes = format_axes(report);
  std::set<double> rates;
  data.runs.reserve(report.runs.size());
  for (const ReportedRun& reported : report.runs) {
    AnalysedRun run;
    run.id = reported.id, run.directory = reported.directory;
    read(run);
    run.learning_rate = run.config.optimizer.lr;
    for (std::size_t a = 0; a < report.axes.size(); ++a) {
      const AxisValue& value = reported.values[a];
      run.values.push_back(to_text(value));
      run.shown.push_back(shown_value(report.labels, report.axes[a], value));
      if (is_seed_axis(report.axes[a])) run.seeds += (run.seeds.empty() ? "" : "/") + run.values.back();
      // A run without a readable config still belongs to its cell, so that it is missed there.
      if (report.axes[a] != "optimizer.lr" || value.is_array) continue;
      if (const auto* real = std::get_if<double>(&value.values.front())) run.learning_rate = *real;
      if (const auto* whole = std::get_if<std::int64_t>(&value.values.front()))
        run.learning_rate = static_cast<double>(*whole);
    }
    if (run.seeds.empty()) run.seeds = std::to_string(run.config.seed);
    run.format = format_of(report, reported, axes, run.config, report.labels);
    for (const std::size_t a : axes) run.settings[report.axes[a]] = run.values[a];
    plain_of_runs.push_back(format_of(report, reported, axes, run.config, {}));
    rates.insert(run.learning_rate);
    data.runs.push_back(std::move(run));
  }
  split_by_inputs(data);
  for (std::size_t i = 0; i < data.runs.size(); ++i) {
    const std::string& format = data.runs[i].format;
    if (std::find(data.formats.begin(), data.formats.end(), format) != data.formats.end()) continue;
    data.formats.push_back(format);
    plain_formats.push_back(plain_of_runs[i]);
  }
  data.learning_rates.assign(rates.begin(), rates.end());
  data.reference = choose_reference(data.formats, plain_formats, reference);
  return data;
}

}  // namespace

std::set<std::string> statistics_groups() {
  return {"metrics", "eval"};
}

SweepData read_sweep_data(const std::filesystem::path& directory, const std::string& reference, SeriesChoice choice,
                          const std::set<std::string>& groups) {
  const StatusReport report = list_runs(directory);
  RunReaders readers(runs_of(report), choice, groups, reading_processes(report.runs.size()));
  SweepData data = arranged(report, reference, [&](AnalysedRun& run) { readers.read(run); });
  if (choice == SeriesChoice::ForIndex) leave_out_sites(data, readers.sites_are_too_many());
  data.directory = directory;
  return data;
}

SweepData planned_sweep_data(const Sweep& sweep, const std::vector<SweepRun>& runs) {
  const SweepRecord record = make_record(sweep, runs, "");
  StatusReport report;
  report.axes = record.axes;
  report.labels = record.labels;
  std::map<std::string, const RunConfig*> configs;
  for (const SweepRun& run : runs) {
    report.runs.push_back({run.id, {}, run.values, {}});
    configs[run.id] = &run.config;
  }
  return arranged(report, "", [&](AnalysedRun& run) { run.config = *configs.at(run.id); });
}

}  // namespace precipice
