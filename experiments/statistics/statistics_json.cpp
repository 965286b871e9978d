// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/statistics_json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "metrics/statistics/holm.h"
#include "metrics/statistics/ranks.h"

namespace precipice {

Json json_number(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return nullptr;
  return value > 0 ? "inf" : "-inf";
}

Json to_json(const Interval& interval) {
  return Json::array({json_number(interval.low), json_number(interval.high)});
}

Json count_json(const Count& count, double confidence) {
  Json json{{"events", count.events}, {"trials", count.trials}};
  json["fraction"] =
      count.trials > 0 ? Json(static_cast<double>(count.events) / static_cast<double>(count.trials)) : Json(nullptr);
  if (count.trials == 0) json["reason"] = "no trials";
  json["wilson"] = to_json(wilson_interval(count, confidence));
  json["jeffreys"] = to_json(jeffreys_interval(count, confidence));
  return json;
}

Json survival_json(std::span<const SurvivalTime> times, double confidence) {
  const std::vector<SurvivalPoint> curve = kaplan_meier(times, confidence);
  std::int64_t events = 0;
  Json points = Json::array();
  for (const SurvivalPoint& point : curve) {
    events += point.events;
    points.push_back({{"step", json_number(point.time)},
                      {"at_risk", point.at_risk},
                      {"events", point.events},
                      {"censored", point.censored},
                      {"survival", point.survival},
                      {"interval", to_json(point.interval)}});
  }
  const double median = median_survival(curve);
  Json json{{"runs", times.size()}, {"events", events}, {"median", json_number(median)}};
  if (std::isnan(median)) json["reason"] = times.empty() ? "no runs" : "fewer than half of the runs had an event";
  json["curve"] = std::move(points);
  return json;
}

Json count_pair_json(const Count& a, const Count& b, double confidence) {
  const Difference difference = newcombe_difference(a, b, confidence);
  const bool is_empty = a.trials == 0 || b.trials == 0;
  Json json{{"n", {a.trials, b.trials}},
            {"difference", json_number(difference.value)},
            {"newcombe", to_json(difference.interval)},
            {"test", "Fisher"},
            {"p", is_empty ? Json(nullptr) : Json(fisher_exact(a, b))}};
  if (is_empty) add_reason(json, "a group has no trials");
  return json;
}

Json log_rank_json(std::span<const std::vector<SurvivalTime>> groups) {
  const LogRank test = log_rank(groups);
  Json json{{"test", "log-rank"}, {"chi_squared", json_number(test.chi_squared)}, {"degrees", test.degrees}};
  json["observed"] = test.observed;
  json["expected"] = test.expected;
  json["p"] = json_number(test.p);
  if (!std::isnan(test.p)) return json;
  const bool is_missing = std::any_of(groups.begin(), groups.end(), [](const auto& group) { return group.empty(); });
  const double events = std::accumulate(test.observed.begin(), test.observed.end(), 0.0);
  json["reason"] = groups.empty()       ? "no groups"
                   : groups.size() == 1 ? "one group: there is none to compare it with"
                   : is_missing         ? "a group has no runs"
                   : events == 0        ? "no run had an event"
                                        : "no event at a time when others of both groups were left";
  return json;
}

void add_reason(Json& json, const std::string& reason) {
  json["reason"] = json.contains("reason") ? json["reason"].get<std::string>() + "; " + reason : reason;
}

void add_bootstrap(Json& json, const Bootstrap& bootstrap, std::span<const std::span<const double>> values) {
  const auto is_constant = [](std::span<const double> group) {
    return std::ranges::all_of(group, [&](double value) { return value == group.front(); });
  };
  const bool is_known = bootstrap.resamples > 0, has_spread = !std::ranges::all_of(values, is_constant);
  const Interval& interval = bootstrap.interval;
  json["bootstrap"] = is_known && has_spread ? to_json(interval) : Json{nullptr, nullptr};
  json["resamples"] = bootstrap.resamples;
  json["resamples_dropped"] = bootstrap.dropped;
  if (!is_known)
    add_reason(json, "n too small: an interval needs two values in each group");
  else if (!has_spread)
    add_reason(json, "no interval from values without spread");
  else if (std::isnan(interval.low) || std::isnan(interval.high))
    add_reason(json, "inf and -inf meet in the interval");
}

Json value_pair_json(std::span<const double> a, std::span<const double> b, const BootstrapOptions& options) {
  const MannWhitney test = mann_whitney(a, b);
  const Bootstrap difference = bootstrap_median_difference(a, b, options);
  Json json{{"n", {a.size(), b.size()}}, {"median_difference", json_number(difference.estimate)}};
  if (a.empty() || b.empty())
    add_reason(json, "a group has no values");
  else if (std::isnan(difference.estimate))
    add_reason(json, "inf and -inf meet in the difference of the medians");
  const std::span<const double> groups[] = {a, b};
  add_bootstrap(json, difference, groups);
  json.update({{"test", "Mann-Whitney"},
               {"u", json_number(test.u)},
               {"superiority", json_number(test.superiority)},
               {"exact", test.exact},
               {"p", json_number(test.p)}});
  return json;
}

Json auc_json(const Auc& auc, bool small_sample, double confidence) {
  const AucInterval interval = auc_interval(auc, small_sample, confidence);
  Json json{{"cases", auc.of_cases.size()},
            {"controls", auc.of_controls.size()},
            {"auc", json_number(auc.value)},
            {"standard_error", json_number(auc.standard_error)},
            {"interval", to_json(interval.interval)},
            {"method", interval.method},
            {"p", json_number(auc_p_value(auc, small_sample))}};
  if (interval.method == "none") json["reason"] = "n too small: an interval needs two cases and two controls";
  return json;
}

void add_holm(Json& pairs, const char* p_name) {
  std::vector<double> p_values;
  for (const Json& pair : pairs)
    p_values.push_back(pair[p_name].is_number() ? pair[p_name].get<double>()
                                                : std::numeric_limits<double>::quiet_NaN());
  const std::vector<double> adjusted = holm_adjusted(p_values);
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i]["holm_p"] = json_number(adjusted[i]);
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace precipice
