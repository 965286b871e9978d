// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/stats_answer.h"

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "experiments/statistics/stats_input.h"
#include "metrics/statistics/holm.h"
#include "metrics/statistics/lr_sensitivity.h"
#include "metrics/statistics/power.h"
#include "metrics/statistics/ranks.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::int64_t kMaxCount = 1'000'000;  // of runs: tables of the exact test stay small
constexpr std::size_t kMaxPairs = 25'000'000;  // cases times controls in a paired comparison
constexpr std::size_t kMaxGroups = 100;
constexpr double kLargest = std::numeric_limits<double>::max();

struct Request {
  double confidence = kConfidence;
  std::uint64_t seed = 0;
  BootstrapOptions bootstrap() const { return {seed, confidence}; }
};

// A name for every group; the answers refer to them.
std::vector<std::string> names_of(const std::vector<StatsInput>& groups, const StatsInput& part) {
  if (groups.size() > kMaxGroups) part.refuse("at most 100 groups");
  std::vector<std::string> names;
  for (const StatsInput& group : groups)
    names.push_back(group.has("name") ? group.at("name").text() : std::to_string(names.size()));
  return names;
}

Json all_pairs(const std::vector<std::string>& names,
               const std::function<Json(std::size_t a, std::size_t b)>& compare) {
  Json pairs = Json::array();
  for (std::size_t a = 0; a < names.size(); ++a)
    for (std::size_t b = a + 1; b < names.size(); ++b) {
      Json pair{{"a", names[a]}, {"b", names[b]}};
      pair.update(compare(a, b));
      pairs.push_back(std::move(pair));
    }
  add_holm(pairs);
  return pairs;
}

Json named(const std::string& name, const Json& answer) {
  Json json{{"name", name}};
  json.update(answer);
  return json;
}

Json answer_counts(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<Count> counts;
  Json groups = Json::array();
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "events", "trials"});
    const std::int64_t trials = element.at("trials").whole(0, kMaxCount);
    counts.push_back({element.at("events").whole(0, trials), trials});
    groups.push_back(named(names[groups.size()], count_json(counts.back(), request.confidence)));
  }
  const Json pairs = all_pairs(
      names, [&](std::size_t a, std::size_t b) { return count_pair_json(counts[a], counts[b], request.confidence); });
  return {{"groups", groups}, {"pairs", pairs}};
}

std::vector<SurvivalTime> survival_times(const StatsInput& element) {
  element.allow_keys({"name", "times", "events"});
  const std::vector<StatsInput> times = element.at("times").elements(), events = element.at("events").elements();
  if (times.size() != events.size()) element.at("events").refuse("must have one entry per time");
  std::vector<SurvivalTime> runs;
  for (std::size_t i = 0; i < times.size(); ++i) runs.push_back({times[i].number(0, kLargest), events[i].boolean()});
  return runs;
}

Json answer_survival(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<std::vector<SurvivalTime>> runs;
  Json groups = Json::array();
  for (const StatsInput& element : elements) {
    runs.push_back(survival_times(element));
    groups.push_back(named(names[groups.size()], survival_json(runs.back(), request.confidence)));
  }
  const Json pairs = all_pairs(names, [&](std::size_t a, std::size_t b) {
    const std::vector<std::vector<SurvivalTime>> two{runs[a], runs[b]};
    return log_rank_json(two);
  });
  return {{"groups", groups}, {"all", log_rank_json(runs)}, {"pairs", pairs}};
}

Json values_json(const std::vector<double>& values, const Request& request) {
  const Bootstrap mean = bootstrap_mean(values, request.bootstrap());
  const double median = median_of(values);
  Json json{{"n", values.size()}, {"mean", json_number(mean.estimate)}, {"median", json_number(median)}};
  if (values.empty()) add_reason(json, "no values");
  if (!values.empty() && std::isnan(mean.estimate)) add_reason(json, "inf and -inf meet in the mean");
  if (!values.empty() && std::isnan(median)) add_reason(json, "inf and -inf meet in the median");
  const std::span<const double> groups[] = {values};
  add_bootstrap(json, mean, groups);
  return json;
}

Json answer_values(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<std::vector<double>> values;
  Json groups = Json::array();
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "values"});
    values.push_back(element.at("values").numbers(true));
    groups.push_back(named(names[groups.size()], values_json(values.back(), request)));
  }
  const Json pairs = all_pairs(
      names, [&](std::size_t a, std::size_t b) { return value_pair_json(values[a], values[b], request.bootstrap()); });
  return {{"groups", groups}, {"pairs", pairs}};
}

struct Scores {
  std::vector<double> cases, controls;
};

Json compare_scores(const Scores& a, const Scores& b, double confidence) {
  Json json{{"difference", nullptr}, {"interval", {nullptr, nullptr}}, {"test", "DeLong, paired"}, {"p", nullptr}};
  if (a.cases.size() != b.cases.size() || a.controls.size() != b.controls.size()) {
    json["reason"] = "not the same runs: the numbers of cases or controls differ";
  } else if (a.cases.size() * a.controls.size() > kMaxPairs) {
    json["reason"] = "more than 25,000,000 pairs";
  } else {
    const AucComparison comparison =
        compare_auc(compare_pairs(a.cases, a.controls), compare_pairs(b.cases, b.controls), false, confidence);
    json["difference"] = json_number(comparison.difference);
    json["interval"] = to_json(comparison.interval);
    json["p"] = json_number(comparison.p);
    if (a.cases.size() < 2 || a.controls.size() < 2)
      json["reason"] = "n too small: needs two cases and two controls";
    else if (std::isnan(comparison.interval.low))
      json["reason"] = comparison.difference == 0 ? "both scores order the runs alike: the difference has no variance"
                                                  : "the difference has no variance";
  }
  return json;
}

Json answer_scores(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<Scores> scores;
  Json groups = Json::array();
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "cases", "controls"});
    scores.push_back({element.at("cases").numbers(true), element.at("controls").numbers(true)});
    Json group = auc_json(auc_of_scores(scores.back().cases, scores.back().controls), false, request.confidence);
    // Of a score per run the exact test is at hand; DeLong's z is far too sure of itself for a handful of runs.
    group["test"] = "Mann-Whitney";
    group["p"] = json_number(mann_whitney(scores.back().cases, scores.back().controls).p);
    group["average_precision"] = json_number(average_precision(scores.back().cases, scores.back().controls));
    groups.push_back(named(names[groups.size()], group));
  }
  const Json pairs = all_pairs(
      names, [&](std::size_t a, std::size_t b) { return compare_scores(scores[a], scores[b], request.confidence); });
  return {{"groups", groups}, {"pairs", pairs}};
}

Json answer_lr_sensitivity(const StatsInput& part) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  Json groups = Json::array();
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "losses", "initial_loss"});
    const std::vector<double> losses = element.at("losses").numbers(true);
    const LrSensitivity result = lr_sensitivity(losses, element.at("initial_loss").number(-kLargest, kLargest));
    Json group{{"n", losses.size()},
               {"sensitivity", json_number(result.sensitivity)},
               {"best_loss", json_number(result.best_loss)}};
    if (losses.empty())
      group["reason"] = "no losses";
    else if (losses.size() == 1)
      group["reason"] = "one loss: 0 by definition";
    else if (std::isnan(result.sensitivity))
      group["reason"] = "a loss is -inf: there is no best loss";
    else if (result.sensitivity == 0 && result.best_loss == element.at("initial_loss").number(-kLargest, kLargest))
      group["reason"] = "no loss lies below the initial one: 0 by the cap";
    groups.push_back(named(names[groups.size()], group));
  }
  return groups;
}

Json answer_power(const StatsInput& part) {
  Json answers = Json::array();
  for (const StatsInput& element : part.elements()) {
    element.allow_keys({"p", "q", "effect"});
    Json answer;
    std::int64_t seeds = -1;
    if (element.has("effect")) {
      if (element.has("p") || element.has("q")) element.refuse("either p and q, or effect");
      const double effect = element.at("effect").number(-100, 100);
      answer["effect"] = effect;
      seeds = seeds_for_means(effect);
    } else {
      const double p = element.at("p").number(0, 1), q = element.at("q").number(0, 1);
      answer["p"] = p, answer["q"] = q;
      seeds = seeds_for_proportions(p, q);
    }
    answer["seeds"] = seeds > 0 ? Json(seeds) : Json(nullptr);
    if (seeds < 0) answer["reason"] = "more than 1000 seeds a group";
    answers.push_back(answer);
  }
  return answers;
}

Json answer_p_values(const StatsInput& part) {
  std::vector<double> p_values;
  for (const StatsInput& element : part.elements()) p_values.push_back(element.number(0, 1));
  return {{"p", p_values}, {"holm_p", holm_adjusted(p_values)}};
}

}  // namespace

std::string answer_statistics(const std::string& text) {
  const Json json = StatsInput::parse(text);
  const StatsInput input(json, "");
  input.allow_keys(
      {"counts", "survival", "values", "scores", "lr_sensitivity", "power", "p_values", "confidence", "seed"});
  Request request;
  if (input.has("confidence")) request.confidence = input.at("confidence").number(0.5, 0.9999);
  if (input.has("seed"))
    request.seed = static_cast<std::uint64_t>(input.at("seed").whole(0, std::numeric_limits<std::int64_t>::max()));
  Json answer{{"confidence", request.confidence}, {"seed", request.seed}};
  if (input.has("counts")) answer["counts"] = answer_counts(input.at("counts"), request);
  if (input.has("survival")) answer["survival"] = answer_survival(input.at("survival"), request);
  if (input.has("values")) answer["values"] = answer_values(input.at("values"), request);
  if (input.has("scores")) answer["scores"] = answer_scores(input.at("scores"), request);
  if (input.has("lr_sensitivity")) answer["lr_sensitivity"] = answer_lr_sensitivity(input.at("lr_sensitivity"));
  if (input.has("power")) answer["power"] = answer_power(input.at("power"));
  if (input.has("p_values")) answer["p_values"] = answer_p_values(input.at("p_values"));
  return dump(answer);
}

}  // namespace precipice
