// SPDX-License-Identifier: Apache-2.0
// Statistics with what is to be said of them, the same words in `stats`, `merge`, `label` and `warn`. A number that
// could not be computed is NaN, and `reason` beside it says why. As JSON (experiments/console/json_fields.h) NaN is null
// and an infinite number is "inf" or "-inf".
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "experiments/console/json_fields.h"
#include "metrics/statistics/bootstrap.h"
#include "metrics/statistics/holm.h"
#include "metrics/statistics/proportions.h"
#include "metrics/statistics/roc.h"
#include "metrics/statistics/survival.h"

namespace precipice {

// "first; second", of those that are there.
std::string joined_reasons(const std::string& first, const std::string& second);

struct CountSummary {
  Count count;
  double fraction;
  Interval wilson, jeffreys;
  std::string reason;
};
CountSummary summary_of(const Count& count, double confidence);

struct SurvivalSummary {
  std::size_t runs;
  std::int64_t events;
  double median;
  std::string reason;
  std::vector<SurvivalPoint> curve;
};
SurvivalSummary summary_of(std::span<const SurvivalTime> times, double confidence);

struct CountPair {
  std::array<std::int64_t, 2> n;
  double difference;
  Interval newcombe;
  double p;  // Fisher's
  std::string reason;
};
CountPair compare(const Count& a, const Count& b, double confidence);

struct LogRankSummary {
  LogRank test;
  std::string reason;
};
LogRankSummary compare(std::span<const std::vector<SurvivalTime>> groups);

// An interval, how many resamples it is of, and how many were dropped; NaN ends where all values are equal or there are
// fewer than two in a group.
struct BootstrapSummary {
  Interval interval;
  std::int64_t resamples, dropped;
  std::string reason;
};
// `values`: of each group.
BootstrapSummary summary_of(const Bootstrap& bootstrap, std::span<const std::span<const double>> values);

struct ValuePair {
  std::array<std::size_t, 2> n;
  double median_difference;
  std::string reason;  // of the difference; the interval has its own
  BootstrapSummary bootstrap;
  double u, superiority;  // Mann-Whitney's
  bool exact;
  double p;
};
ValuePair compare(std::span<const double> a, std::span<const double> b, const BootstrapOptions& options);

struct AucSummary {
  std::size_t cases, controls;
  double auc, standard_error;
  Interval interval;
  std::string method;
  double p;
  std::string reason;
};
AucSummary summary_of(const Auc& auc, bool small_sample, double confidence);

// As JSON, indented, bad UTF-8 replaced, newline at the end.
std::string dump(const Json& json);
template <class Report>
Json statistics_json(const Report& report) {
  return json_of<finite_or_word>(report);
}

template <class Visit>
void visit_fields(const CountSummary& summary, const Visit& visit) {
  visit("events", summary.count.events);
  visit("trials", summary.count.trials);
  visit("fraction", summary.fraction);
  visit_reason(summary.reason, visit);
  visit("wilson", summary.wilson);
  visit("jeffreys", summary.jeffreys);
}

template <class Visit>
void visit_fields(const SurvivalPoint& point, const Visit& visit) {
  visit("step", point.time);
  visit("at_risk", point.at_risk);
  visit("events", point.events);
  visit("censored", point.censored);
  visit("survival", point.survival);
  visit("interval", point.interval);
}

template <class Visit>
void visit_fields(const SurvivalSummary& summary, const Visit& visit) {
  visit("runs", summary.runs);
  visit("events", summary.events);
  visit("median", summary.median);
  visit_reason(summary.reason, visit);
  visit("curve", summary.curve);
}

template <class Visit>
void visit_fields(const CountPair& pair, const Visit& visit) {
  visit("n", pair.n);
  visit("difference", pair.difference);
  visit("newcombe", pair.newcombe);
  visit("test", "Fisher");
  visit("p", pair.p);
  visit_reason(pair.reason, visit);
}

template <class Visit>
void visit_fields(const LogRankSummary& summary, const Visit& visit) {
  visit("test", "log-rank");
  visit("chi_squared", summary.test.chi_squared);
  visit("degrees", summary.test.degrees);
  visit("observed", summary.test.observed);
  visit("expected", summary.test.expected);
  visit("p", summary.test.p);
  visit_reason(summary.reason, visit);
}

// The interval of a number that may have a reason of its own: then both stand before the interval.
template <class Visit>
void visit_bootstrap(const std::string& reason, const BootstrapSummary& bootstrap, const Visit& visit) {
  if (!reason.empty()) visit("reason", joined_reasons(reason, bootstrap.reason));
  visit("bootstrap", bootstrap.interval);
  visit("resamples", bootstrap.resamples);
  visit("resamples_dropped", bootstrap.dropped);
  if (reason.empty()) visit_reason(bootstrap.reason, visit);
}

template <class Visit>
void visit_fields(const ValuePair& pair, const Visit& visit) {
  visit("n", pair.n);
  visit("median_difference", pair.median_difference);
  visit_bootstrap(pair.reason, pair.bootstrap, visit);
  visit("test", "Mann-Whitney");
  visit("u", pair.u);
  visit("superiority", pair.superiority);
  visit("exact", pair.exact);
  visit("p", pair.p);
}

template <class Visit>
void visit_fields(const AucSummary& summary, const Visit& visit) {
  visit("cases", summary.cases);
  visit("controls", summary.controls);
  visit("auc", summary.auc);
  visit("standard_error", summary.standard_error);
  visit("interval", summary.interval);
  visit("method", summary.method);
  visit("p", summary.p);
  visit_reason(summary.reason, visit);
}

// Sets `holm_p` of every entry from its p, which p_of(entry) gives; NaN is no test.
template <class Entries, class PValue>
void adjust_by_holm(Entries& entries, const PValue& p_of) {
  std::vector<double> p_values;
  for (const auto& entry : entries) p_values.push_back(p_of(entry));
  const std::vector<double> adjusted = holm_adjusted(p_values);
  for (std::size_t i = 0; i < adjusted.size(); ++i) entries[i].holm_p = adjusted[i];
}

}  // namespace precipice
