// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics_json.h"

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
  return {{"n", {a.trials, b.trials}},
          {"difference", json_number(difference.value)},
          {"newcombe", to_json(difference.interval)},
          {"test", "Fisher"},
          {"p", fisher_exact(a, b)}};
}

Json log_rank_json(std::span<const std::vector<SurvivalTime>> groups) {
  const LogRank test = log_rank(groups);
  Json json{{"test", "log-rank"}, {"chi_squared", json_number(test.chi_squared)}, {"degrees", test.degrees}};
  json["observed"] = test.observed;
  json["expected"] = test.expected;
  json["p"] = json_number(test.p);
  if (!std::isnan(test.p)) return json;
  const bool is_missing =
      groups.size() < 2 || std::any_of(groups.begin(), groups.end(), [](const auto& group) { return group.empty(); });
  const double events = std::accumulate(test.observed.begin(), test.observed.end(), 0.0);
  json["reason"] = is_missing    ? "a group has no runs"
                   : events == 0 ? "no run had an event"
                                 : "no event at a time when others of both groups were left";
  return json;
}

Json value_pair_json(std::span<const double> a, std::span<const double> b, std::uint64_t seed) {
  const MannWhitney test = mann_whitney(a, b);
  const Bootstrap difference = bootstrap_median_difference(a, b, seed);
  Json json{{"n", {a.size(), b.size()}},
            {"median_difference", json_number(difference.estimate)},
            {"bootstrap", to_json(difference.interval)},
            {"test", "Mann-Whitney"},
            {"u", json_number(test.u)},
            {"superiority", json_number(test.superiority)},
            {"exact", test.exact},
            {"p", json_number(test.p)}};
  if (a.size() < 2 || b.size() < 2) json["reason"] = "n too small: an interval needs two runs in each group";
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
