// SPDX-License-Identifier: Apache-2.0
// `precipice warn`: which stored signal warns of divergence, how early, at what rate of false alarms, and whether it
// does better than what anyone logs (metrics/warning). A verdict is given only where the data allow it:
//   warns      AUC above 1/2, p < 0.05 after Holm over all signals and horizons shown
//   inverse    below 1/2 in the same sense: the signal falls before divergence
//   undecided  neither
//   n too small, constant, not computable: with the reason
// Compared are runs of equal settings, which differ in nothing but their seeds, unless other settings are asked for:
// between settings any quantity that follows from them looks like a warning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/statistics/summaries.h"
#include "experiments/statistics/sweep_data.h"
#include "metrics/warning/early_warning.h"

namespace precipice {

inline constexpr std::int64_t kAlarmDelay =
    50;  // alarms count from the end of the warm-up plus this: the loss has fallen

struct WarnOptions {
  std::vector<std::int64_t> horizons = {10, 50, 100};
  std::string rule = kDefaultRule;
  std::optional<std::vector<std::string>> within;  // axes in which compared runs must agree; none: all but the seeds
  std::int64_t from = -1;                          // first step of alarms; -1: warm-up + kAlarmDelay
};

// A signal against the best of those that anyone logs.
struct BaselineComparison {
  std::optional<std::string> baseline;  // none: no signal of that kind, or all are constant
  double difference;                    // of the AUCs; NaN where nothing was compared
  Interval interval;
  double p, holm_p;
  std::string verdict;  // better worse undecided -
};

// A signal at one horizon.
struct SignalResult {
  std::string signal, series;
  bool is_baseline;
  std::int64_t horizon;
  AucSummary auc;  // cases and controls: those that can be compared
  double average_precision, base_rate;
  std::string reason;  // why there is no p; the AUC's own reason otherwise
  BaselineComparison against_baseline;
  double holm_p;
  std::string verdict;
};

struct AlarmResult {
  std::string signal;
  AlarmTrial trial;
  CountSummary detected, false_alarms;
  double median_lead;
  std::string reason;
};

struct WarnReport {
  std::string directory, rule;
  std::vector<std::int64_t> horizons;
  std::vector<std::string> within;
  bool equal_settings;
  std::int64_t cases, controls, untrained, skipped;
  // Names of the signals, the most telling first: by the least p after Holm, then by the distance of the AUC from 1/2.
  std::vector<std::string> best;
  std::vector<SignalResult> signals;
  std::vector<AlarmResult> alarms;
  std::vector<std::string> absent, notes;
};

// Throws ConfigError for a rule or an axis that does not exist.
WarnReport warn_report(const SweepData& data, const WarnOptions& options);

template <class Visit>
void visit_fields(const BaselineComparison& against, const Visit& visit) {
  visit("baseline", against.baseline);
  visit("difference", against.difference);
  visit("interval", against.interval);
  visit("p", against.p);
  visit("holm_p", against.holm_p);
  visit("verdict", against.verdict);
}

template <class Visit>
void visit_fields(const SignalResult& result, const Visit& visit) {
  visit("signal", result.signal);
  visit("series", result.series);
  visit("is_baseline", result.is_baseline);
  visit("horizon", result.horizon);
  AucSummary auc = result.auc;
  // A reason stands where its number does.
  const bool is_of_auc = !auc.reason.empty();
  if (is_of_auc) auc.reason = result.reason;
  visit_fields(auc, visit);
  visit("average_precision", result.average_precision);
  visit("base_rate", result.base_rate);
  if (!is_of_auc) visit_reason(result.reason, visit);
  visit("against_baseline", result.against_baseline);
  visit("holm_p", result.holm_p);
  visit("verdict", result.verdict);
}

template <class Visit>
void visit_fields(const AlarmResult& result, const Visit& visit) {
  visit("signal", result.signal);
  visit("thresholds", result.trial.thresholds);
  visit("detected", result.detected);
  visit("false_alarms", result.false_alarms);
  visit("median_lead", result.median_lead);
  visit("leads", result.trial.leads);
  visit_reason(result.reason, visit);
}

template <class Visit>
void visit_fields(const WarnReport& report, const Visit& visit) {
  visit("directory", report.directory);
  visit("rule", report.rule);
  visit("horizons", report.horizons);
  visit("within", report.within);
  visit("equal_settings", report.equal_settings);
  visit("false_alarm_rate", kFalseAlarmRate);
  visit("cases", report.cases);
  visit("controls", report.controls);
  visit("untrained", report.untrained);
  visit("skipped", report.skipped);
  visit("best", report.best);
  visit("signals", report.signals);
  visit("alarms", report.alarms);
  visit("absent", report.absent);
  visit("notes", report.notes);
}

}  // namespace precipice
