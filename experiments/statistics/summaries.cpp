// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/summaries.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "metrics/statistics/ranks.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

std::string why_no_log_rank(std::span<const std::vector<SurvivalTime>> groups, const LogRank& test) {
  if (groups.empty()) return "no groups";
  if (groups.size() == 1) return "one group: there is none to compare it with";
  if (std::ranges::any_of(groups, [](const auto& group) { return group.empty(); })) return "a group has no runs";
  const double events = std::accumulate(test.observed.begin(), test.observed.end(), 0.0);
  return events == 0 ? "no run had an event" : "no event at a time when others of both groups were left";
}

}  // namespace

std::string joined_reasons(const std::string& first, const std::string& second) {
  return first.empty() ? second : second.empty() ? first : first + "; " + second;
}

CountSummary summary_of(const Count& count, double confidence) {
  const bool is_empty = count.trials == 0;
  return {count, is_empty ? kNaN : static_cast<double>(count.events) / static_cast<double>(count.trials),
          wilson_interval(count, confidence), jeffreys_interval(count, confidence), is_empty ? "no trials" : ""};
}

SurvivalSummary summary_of(std::span<const SurvivalTime> times, double confidence) {
  SurvivalSummary summary{times.size(), 0, 0, "", kaplan_meier(times, confidence)};
  for (const SurvivalPoint& point : summary.curve) summary.events += point.events;
  summary.median = median_survival(summary.curve);
  if (std::isnan(summary.median))
    summary.reason = times.empty() ? "no runs" : "fewer than half of the runs had an event";
  return summary;
}

CountPair compare(const Count& a, const Count& b, double confidence) {
  const Difference difference = newcombe_difference(a, b, confidence);
  const bool is_empty = a.trials == 0 || b.trials == 0;
  return {{a.trials, b.trials},
          difference.value,
          difference.interval,
          is_empty ? kNaN : fisher_exact(a, b),
          is_empty ? "a group has no trials" : ""};
}

LogRankSummary compare(std::span<const std::vector<SurvivalTime>> groups) {
  LogRankSummary summary{log_rank(groups), ""};
  if (std::isnan(summary.test.p)) summary.reason = why_no_log_rank(groups, summary.test);
  return summary;
}

BootstrapSummary summary_of(const Bootstrap& bootstrap, std::span<const std::span<const double>> values) {
  const auto is_constant = [](std::span<const double> group) {
    return std::ranges::all_of(group, [&](double value) { return value == group.front(); });
  };
  const bool is_known = bootstrap.resamples > 0, has_spread = !std::ranges::all_of(values, is_constant);
  BootstrapSummary summary{bootstrap.interval, bootstrap.resamples, bootstrap.dropped, ""};
  if (!is_known)
    summary.reason = "n too small: an interval needs two values in each group";
  else if (!has_spread)
    summary.reason = "no interval from values without spread";
  else if (std::isnan(summary.interval.low) || std::isnan(summary.interval.high))
    summary.reason = "inf and -inf meet in the interval";
  if (!is_known || !has_spread) summary.interval = {kNaN, kNaN};
  return summary;
}

ValuePair compare(std::span<const double> a, std::span<const double> b, const BootstrapOptions& options) {
  const MannWhitney test = mann_whitney(a, b);
  const Bootstrap difference = bootstrap_median_difference(a, b, options);
  const std::span<const double> groups[] = {a, b};
  ValuePair pair{{a.size(), b.size()}, difference.estimate, "",    summary_of(difference, groups), test.u,
                 test.superiority,     test.exact,          test.p};
  if (a.empty() || b.empty())
    pair.reason = "a group has no values";
  else if (std::isnan(difference.estimate))
    pair.reason = "inf and -inf meet in the difference of the medians";
  return pair;
}

AucSummary summary_of(const Auc& auc, bool small_sample, double confidence) {
  const AucInterval interval = auc_interval(auc, small_sample, confidence);
  return {auc.of_cases.size(),
          auc.of_controls.size(),
          auc.value,
          auc.standard_error,
          interval.interval,
          interval.method,
          auc_p_value(auc, small_sample),
          interval.method == "none" ? "n too small: an interval needs two cases and two controls" : ""};
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace precipice
