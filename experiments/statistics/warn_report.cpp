// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/warn_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "experiments/statistics/warn_runs.h"
#include "metrics/warning/signals.h"

namespace precipice {
namespace {

struct MeasuredSignal {
  Signal signal;
  std::vector<SignalSeries> series;  // one per run
  std::size_t present = 0;           // runs that have it
  bool is_constant = true;
};

MeasuredSignal measure(const WarnRuns& runs, const Signal& signal) {
  MeasuredSignal measured{signal, {}, 0, true};
  double first = std::nan("");
  for (const AnalysedRun* run : runs.sources) {
    measured.series.push_back(signal_of(run->columns, signal));
    bool any = false;
    for (const double value : measured.series.back().values) {
      if (std::isnan(value)) continue;
      any = true;
      if (std::isnan(first)) first = value;
      measured.is_constant = measured.is_constant && value == first;
    }
    measured.present += any;
  }
  return measured;
}

std::vector<MeasuredSignal> measure_all(const WarnRuns& runs, std::vector<std::string>& absent) {
  std::map<std::string, std::set<std::string>> available;
  for (const AnalysedRun* run : runs.sources)
    for (const auto& [group, columns] : run->columns)
      for (const auto& [series, values] : columns.series)
        if (!values.empty()) available[group].insert(series);
  const SignalChoice choice = choose_signals(available);
  absent = choice.absent;
  std::vector<MeasuredSignal> all;
  for (const Signal& signal : choice.signals) all.push_back(measure(runs, signal));
  return all;
}

// The signal with the largest AUC of those that anyone logs; null without any.
const MeasuredSignal* best_baseline(const WarnRuns& runs, const std::vector<MeasuredSignal>& signals,
                                    std::int64_t horizon) {
  const MeasuredSignal* best = nullptr;
  double highest = 0;
  for (const MeasuredSignal& measured : signals) {
    if (!measured.signal.is_baseline || measured.is_constant) continue;
    const double auc = auc_of_pairs(pairs_at_horizon(runs.runs, measured.series, horizon)).value;
    if (!std::isnan(auc) && (best == nullptr || auc > highest)) best = &measured, highest = auc;
  }
  return best;
}

Json compare_with(const WarnRuns& runs, const PairTable& pairs, const MeasuredSignal& measured,
                  const MeasuredSignal* baseline, std::int64_t horizon, bool enough) {
  Json json{{"baseline", baseline == nullptr ? Json(nullptr) : Json(baseline->signal.name)},
            {"difference", nullptr},
            {"interval", {nullptr, nullptr}},
            {"p", nullptr}};
  // Baselines are not compared among each other: Holm would take it from the signals that are asked about.
  if (baseline == nullptr || measured.signal.is_baseline || !enough) return json;
  const AucComparison comparison = compare_auc(pairs, pairs_at_horizon(runs.runs, baseline->series, horizon), true);
  json["difference"] = json_number(comparison.difference);
  json["interval"] = to_json(comparison.interval);
  json["p"] = json_number(comparison.p);
  return json;
}

Json row_of(const WarnRuns& runs, const MeasuredSignal& measured, std::int64_t horizon,
            const MeasuredSignal* baseline) {
  const PairTable pairs = pairs_at_horizon(runs.runs, measured.series, horizon);
  const PairCounts counts = comparable(pairs);
  const bool enough = counts.cases >= kMinWarnRuns && counts.controls >= kMinWarnRuns;
  Json row{{"signal", measured.signal.name},
           {"series", measured.signal.group + "/" + measured.signal.series},
           {"is_baseline", measured.signal.is_baseline},
           {"horizon", horizon}};
  row.update(auc_json(auc_of_pairs(pairs), true, kConfidence));
  row["cases"] = counts.cases, row["controls"] = counts.controls;
  row["average_precision"] = json_number(average_precision_at_horizon(runs.runs, measured.series, horizon));
  const double all = static_cast<double>(counts.cases + counts.controls);
  row["base_rate"] = all > 0 ? Json(static_cast<double>(counts.cases) / all) : Json(nullptr);
  if (measured.is_constant) {
    row["p"] = nullptr, row["reason"] = "constant";
  } else if (!enough) {
    row["p"] = nullptr;
    row["reason"] = fmt::format("n too small: {} cases and {} controls can be compared, at least {} of each are needed",
                                counts.cases, counts.controls, kMinWarnRuns);
  }
  row["against_baseline"] = compare_with(runs, pairs, measured, baseline, horizon, enough && !measured.is_constant);
  return row;
}

void set_verdicts(Json& rows) {
  add_holm(rows);
  Json compared = Json::array();
  for (const Json& row : rows) compared.push_back(row["against_baseline"]);
  add_holm(compared);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Json& row = rows[i];
    const Json p = row["holm_p"];  // a copy: a new key moves the others
    if (row.contains("reason") && !p.is_number())
      row["verdict"] = row["reason"] == "constant" ? "undecided: constant" : "n too small";
    else if (!p.is_number())
      row["verdict"] = "undecided: no variance";
    else
      row["verdict"] = p.get<double>() >= 0.05 ? "undecided" : row["auc"].get<double>() > 0.5 ? "warns" : "inverse";
    const Json better = compared[i]["holm_p"];
    compared[i]["verdict"] = !better.is_number()             ? "-"
                             : better.get<double>() >= 0.05  ? "undecided"
                             : compared[i]["difference"] > 0 ? "better"
                                                             : "worse";
    row["against_baseline"] = compared[i];
  }
}

Json alarms_of(const WarnRuns& runs, const MeasuredSignal& measured) {
  const AlarmTrial trial = try_alarms(runs.runs, measured.series);
  Json json{{"signal", measured.signal.name},
            {"thresholds", {json_number(trial.thresholds[0]), json_number(trial.thresholds[1])}},
            {"detected", count_json(trial.detected, kConfidence)},
            {"false_alarms", count_json(trial.false_alarms, kConfidence)},
            {"median_lead", json_number(median_of(trial.leads))},
            {"leads", trial.leads}};
  if (std::isnan(trial.thresholds[0]) || std::isnan(trial.thresholds[1]))
    json["reason"] = "a half of the seeds has no run that ended without divergence: no threshold to try on the other";
  else if (trial.leads.empty())
    json["reason"] = "no divergence was announced";
  return json;
}

// The names of the signals, the most telling first.
Json best_first(const Json& rows) {
  struct Rank {
    double p = 2, distance = -1;  // beyond those of any row with numbers
    std::size_t place = 0;
  };
  std::map<std::string, Rank> ranks;
  for (const Json& row : rows) {
    Rank& rank = ranks.try_emplace(row["signal"], Rank{2, -1, ranks.size()}).first->second;
    if (!row["holm_p"].is_number()) continue;
    const double p = row["holm_p"], distance = std::abs(row["auc"].get<double>() - 0.5);
    if (std::tie(p, rank.distance) < std::tie(rank.p, distance)) rank.p = p, rank.distance = distance;
  }
  std::vector<std::pair<std::string, Rank>> order(ranks.begin(), ranks.end());
  std::ranges::sort(order, [](const auto& a, const auto& b) {
    return std::tuple(a.second.p, -a.second.distance, a.second.place) <
           std::tuple(b.second.p, -b.second.distance, b.second.place);
  });
  Json names = Json::array();
  for (const auto& [name, rank] : order) names.push_back(name);
  return names;
}

std::int64_t count_in(const WarnRuns& runs, RunState state) {
  return std::ranges::count_if(runs.sources, [&](const AnalysedRun* run) { return run->status.state == state; });
}

}  // namespace

Json warn_report(const SweepData& data, const WarnOptions& options) {
  const WarnRuns runs = make_warn_runs(data, options);
  Json report{
      {"directory", data.directory.string()},
      {"rule", options.rule},
      {"horizons", options.horizons},
      {"within", runs.within},
      {"equal_settings", !options.within.has_value()},
      {"false_alarm_rate", kFalseAlarmRate},
      {"cases", std::count_if(runs.runs.begin(), runs.runs.end(), [](const WarnRun& r) { return r.diverged; })},
      {"controls", std::count_if(runs.runs.begin(), runs.runs.end(), [](const WarnRun& r) { return !r.diverged; })},
      {"untrained", count_in(runs, RunState::Untrained)},
      {"skipped", count_in(runs, RunState::Skipped)}};
  std::vector<std::string> absent;
  const std::vector<MeasuredSignal> signals = measure_all(runs, absent);
  Json rows = Json::array(), alarms = Json::array();
  for (const std::int64_t horizon : options.horizons) {
    const MeasuredSignal* baseline = best_baseline(runs, signals, horizon);
    for (const MeasuredSignal& measured : signals)
      if (measured.present > 0) rows.push_back(row_of(runs, measured, horizon, baseline));
  }
  set_verdicts(rows);
  for (const MeasuredSignal& measured : signals)
    if (measured.present > 0) alarms.push_back(alarms_of(runs, measured));
  report["best"] = best_first(rows);
  report["signals"] = rows;
  report["alarms"] = alarms;
  report["absent"] = absent;
  report["notes"] = runs.notes;
  return report;
}

}  // namespace precipice
