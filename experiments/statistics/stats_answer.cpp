// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/stats_answer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "experiments/statistics/run_pairs.h"
#include "experiments/statistics/stats_input.h"
#include "experiments/statistics/stats_parts.h"
#include "experiments/statistics/summaries.h"
#include "metrics/statistics/lr_sensitivity.h"
#include "metrics/statistics/power.h"
#include "metrics/statistics/ranks.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice::stats {
namespace {

constexpr std::int64_t kMaxCount = 1'000'000;  // of runs: tables of the exact test stay small
constexpr std::size_t kMaxPairs = 25'000'000;  // cases times controls in a paired comparison
constexpr std::size_t kMaxGroups = 100;
constexpr double kLargest = std::numeric_limits<double>::max();

// A name for every group; the answers refer to them.
std::vector<std::string> names_of(const std::vector<StatsInput>& groups, const StatsInput& part) {
  if (groups.size() > kMaxGroups) part.refuse("at most 100 groups");
  std::vector<std::string> names;
  for (const StatsInput& group : groups)
    names.push_back(group.has("name") ? group.at("name").text() : std::to_string(names.size()));
  return names;
}

double p_of(const CountPair& pair) {
  return pair.p;
}
double p_of(const ValuePair& pair) {
  return pair.p;
}
double p_of(const ScorePair& pair) {
  return pair.p;
}
double p_of(const auto& summary) {
  return summary.test.p;
}
template <class... Answers>
double p_of(const std::variant<Answers...>& answer) {
  return std::visit([](const auto& either) { return p_of(either); }, answer);
}

// The seeds of a group's members, as many as it has; none where it names none.
std::vector<std::string> read_seeds(const StatsInput& element, std::size_t members) {
  std::vector<std::string> seeds;
  if (!element.has("seeds")) return seeds;
  const StatsInput list = element.at("seeds");
  for (const StatsInput& seed : list.elements())
    seeds.push_back(std::to_string(seed.whole(0, std::numeric_limits<std::int64_t>::max())));
  if (seeds.size() != members) list.refuse("must have one entry per member of the group");
  if (std::set<std::string>(seeds.begin(), seeds.end()).size() != seeds.size()) list.refuse("each seed once");
  return seeds;
}

// Places of the members of one seed in both groups; empty where the groups are compared as they are.
using Places = std::vector<std::pair<std::size_t, std::size_t>>;
Places matching(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  Places places;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (const auto found = std::find(b.begin(), b.end(), a[i]); found != b.end())
      places.emplace_back(i, static_cast<std::size_t>(found - b.begin()));
  return are_paired(places.size(), a.size(), b.size()) ? places : Places{};
}

// compare(a, b) of every pair of groups, by their places, adjusted for their number.
template <class Compare>
auto all_pairs(const std::vector<std::string>& names, const Compare& compare_groups) {
  using Answer = decltype(compare_groups(0, 0));
  std::vector<PairOf<Answer>> pairs;
  for (std::size_t a = 0; a < names.size(); ++a)
    for (std::size_t b = a + 1; b < names.size(); ++b)
      pairs.push_back({names[a], names[b], compare_groups(a, b), kNaN});
  adjust_by_holm(pairs, [](const PairOf<Answer>& pair) { return p_of(pair.answer); });
  return pairs;
}

struct CountGroup {
  Count count;
  std::vector<bool> events;  // one by one, where the input has them so
  std::vector<std::string> seeds;
};

CountGroup read_count(const StatsInput& element) {
  element.allow_keys({"name", "events", "trials", "seeds"});
  const StatsInput events = element.at("events");
  CountGroup group;
  if (!events.is_list()) {
    if (element.has("seeds")) element.at("seeds").refuse("goes with a list of events, one for each seed");
    group.count.trials = element.at("trials").whole(0, kMaxCount);
    group.count.events = events.whole(0, group.count.trials);
    return group;
  }
  if (element.has("trials")) element.at("trials").refuse("a list of events has as many as it has entries");
  for (const StatsInput& event : events.elements()) {
    group.events.push_back(event.boolean());
    ++group.count.trials, group.count.events += group.events.back();
  }
  group.seeds = read_seeds(element, group.events.size());
  return group;
}

CountComparison compare_counts(const CountGroup& a, const CountGroup& b, double confidence) {
  const Places places = matching(a.seeds, b.seeds);
  if (places.empty()) return compare(a.count, b.count, confidence);
  PairedCounts counts;
  for (const auto& [i, j] : places)
    ++(a.events[i] && b.events[j] ? counts.both
       : a.events[i]              ? counts.only_first
       : b.events[j]              ? counts.only_second
                                  : counts.neither);
  return compare_paired(counts, confidence);
}

Part<CountSummary, CountComparison> answer_counts(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<CountGroup> groups;
  Part<CountSummary, CountComparison> answer;
  for (const StatsInput& element : elements) {
    groups.push_back(read_count(element));
    answer.groups.push_back({names[answer.groups.size()], summary_of(groups.back().count, request.confidence)});
  }
  answer.pairs = all_pairs(
      names, [&](std::size_t a, std::size_t b) { return compare_counts(groups[a], groups[b], request.confidence); });
  return answer;
}

struct SurvivalGroup {
  std::vector<SurvivalTime> times;
  std::vector<std::string> seeds;
};

SurvivalGroup read_survival(const StatsInput& element) {
  element.allow_keys({"name", "times", "events", "seeds"});
  const std::vector<StatsInput> times = element.at("times").elements(), events = element.at("events").elements();
  if (times.size() != events.size()) element.at("events").refuse("must have one entry per time");
  SurvivalGroup group;
  for (std::size_t i = 0; i < times.size(); ++i)
    group.times.push_back({times[i].number(0, kLargest), events[i].boolean()});
  group.seeds = read_seeds(element, times.size());
  return group;
}

SurvivalPair compare_survival_groups(const SurvivalGroup& a, const SurvivalGroup& b) {
  const Places places = matching(a.seeds, b.seeds);
  if (places.empty()) {
    const std::vector<std::vector<SurvivalTime>> two{a.times, b.times};
    return compare(two);
  }
  std::vector<SurvivalTime> first, second;
  for (const auto& [i, j] : places) first.push_back(a.times[i]), second.push_back(b.times[j]);
  return compare_paired(first, second);
}

SurvivalPart answer_survival(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<SurvivalGroup> groups;
  std::vector<std::vector<SurvivalTime>> runs;
  SurvivalPart answer;
  for (const StatsInput& element : elements) {
    groups.push_back(read_survival(element));
    runs.push_back(groups.back().times);
    answer.each.groups.push_back({names[answer.each.groups.size()], summary_of(runs.back(), request.confidence)});
  }
  answer.each.pairs =
      all_pairs(names, [&](std::size_t a, std::size_t b) { return compare_survival_groups(groups[a], groups[b]); });
  answer.all = compare(runs);
  return answer;
}

ValueSummary summary_of_values(const std::vector<double>& values, const Request& request) {
  const Bootstrap mean = bootstrap_mean(values, request.bootstrap());
  const std::span<const double> groups[] = {values};
  ValueSummary summary{values.size(), mean.estimate, median_of(values), "", summary_of(mean, groups)};
  if (values.empty()) {
    summary.reason = "no values";
    return summary;
  }
  if (std::isnan(summary.mean)) summary.reason = "inf and -inf meet in the mean";
  if (std::isnan(summary.median)) summary.reason = joined_reasons(summary.reason, "inf and -inf meet in the median");
  return summary;
}

struct ValueGroup {
  std::vector<double> values;
  std::vector<std::string> seeds;
};

ValueComparison compare_values(const ValueGroup& a, const ValueGroup& b, const Request& request) {
  const Places places = matching(a.seeds, b.seeds);
  if (places.empty()) return compare(a.values, b.values, request.bootstrap());
  std::vector<double> first, second;
  for (const auto& [i, j] : places) first.push_back(a.values[i]), second.push_back(b.values[j]);
  return compare_paired(first, second, request.confidence);
}

Part<ValueSummary, ValueComparison> answer_values(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<ValueGroup> groups;
  Part<ValueSummary, ValueComparison> answer;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "values", "seeds"});
    ValueGroup group{element.at("values").numbers(true), {}};
    group.seeds = read_seeds(element, group.values.size());
    answer.groups.push_back({names[answer.groups.size()], summary_of_values(group.values, request)});
    groups.push_back(std::move(group));
  }
  answer.pairs =
      all_pairs(names, [&](std::size_t a, std::size_t b) { return compare_values(groups[a], groups[b], request); });
  return answer;
}

struct Scores {
  std::vector<double> cases, controls;
};

ScorePair compare_scores(const Scores& a, const Scores& b, double confidence) {
  ScorePair pair{kNaN, {kNaN, kNaN}, kNaN, ""};
  if (a.cases.size() != b.cases.size() || a.controls.size() != b.controls.size()) {
    pair.reason = "not the same runs: the numbers of cases or controls differ";
  } else if (a.cases.size() * a.controls.size() > kMaxPairs) {
    pair.reason = "more than 25,000,000 pairs";
  } else {
    const AucComparison comparison =
        compare_auc(compare_pairs(a.cases, a.controls), compare_pairs(b.cases, b.controls), false, confidence);
    pair.difference = comparison.difference, pair.interval = comparison.interval, pair.p = comparison.p;
    if (a.cases.size() < 2 || a.controls.size() < 2)
      pair.reason = "n too small: needs two cases and two controls";
    else if (std::isnan(comparison.interval.low))
      pair.reason = comparison.difference == 0 ? "both scores order the runs alike: the difference has no variance"
                                               : "the difference has no variance";
  }
  return pair;
}

Part<ScoreSummary, ScorePair> answer_scores(const StatsInput& part, const Request& request) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<Scores> scores;
  Part<ScoreSummary, ScorePair> answer;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "cases", "controls"});
    scores.push_back({element.at("cases").numbers(true), element.at("controls").numbers(true)});
    const Scores& own = scores.back();
    ScoreSummary summary{summary_of(auc_of_scores(own.cases, own.controls), false, request.confidence),
                         average_precision(own.cases, own.controls)};
    // Of a score per run the exact test is at hand; DeLong's z is far too sure of itself for a handful of runs.
    summary.auc.p = mann_whitney(own.cases, own.controls).p;
    answer.groups.push_back({names[answer.groups.size()], summary});
  }
  answer.pairs = all_pairs(
      names, [&](std::size_t a, std::size_t b) { return compare_scores(scores[a], scores[b], request.confidence); });
  return answer;
}

std::string why_sensitivity(const std::vector<double>& losses, const LrSensitivity& found, double initial_loss) {
  if (losses.empty()) return "no losses";
  if (losses.size() == 1) return "one loss: 0 by definition";
  if (std::isnan(found.sensitivity)) return "a loss is -inf: there is no best loss";
  return found.sensitivity == 0 && found.best_loss == initial_loss ? "no loss lies below the initial one: 0 by the cap"
                                                                   : "";
}

std::vector<Named<SensitivitySummary>> answer_lr_sensitivity(const StatsInput& part) {
  const std::vector<StatsInput> elements = part.elements();
  const std::vector<std::string> names = names_of(elements, part);
  std::vector<Named<SensitivitySummary>> groups;
  for (const StatsInput& element : elements) {
    element.allow_keys({"name", "losses", "initial_loss"});
    const std::vector<double> losses = element.at("losses").numbers(true);
    const double initial_loss = element.at("initial_loss").number(-kLargest, kLargest);
    const LrSensitivity found = lr_sensitivity(losses, initial_loss);
    groups.push_back({names[groups.size()], {losses.size(), found, why_sensitivity(losses, found, initial_loss)}});
  }
  return groups;
}

std::vector<PowerAnswer> answer_power(const StatsInput& part) {
  std::vector<PowerAnswer> answers;
  for (const StatsInput& element : part.elements()) {
    element.allow_keys({"p", "q", "effect"});
    if (element.has("effect")) {
      if (element.has("p") || element.has("q")) element.refuse("either p and q, or effect");
      const double effect = element.at("effect").number(-100, 100);
      answers.push_back({effect, {}, {}, seeds_for_means(effect)});
    } else {
      const double p = element.at("p").number(0, 1), q = element.at("q").number(0, 1);
      answers.push_back({{}, p, q, seeds_for_proportions(p, q)});
    }
  }
  return answers;
}

HolmAnswer answer_p_values(const StatsInput& part) {
  std::vector<double> p_values;
  for (const StatsInput& element : part.elements()) p_values.push_back(element.number(0, 1));
  return {p_values, holm_adjusted(p_values)};
}

StatsAnswer answer_of(const std::string& text) {
  const Json json = StatsInput::parse(text);
  const StatsInput input(json, "");
  input.allow_keys(
      {"counts", "survival", "values", "scores", "lr_sensitivity", "power", "p_values", "confidence", "seed"});
  Request request;
  if (input.has("confidence")) request.confidence = input.at("confidence").number(0.5, 0.9999);
  if (input.has("seed"))
    request.seed = static_cast<std::uint64_t>(input.at("seed").whole(0, std::numeric_limits<std::int64_t>::max()));
  StatsAnswer answer{request, {}, {}, {}, {}, {}, {}, {}};
  if (input.has("counts")) answer.counts = answer_counts(input.at("counts"), request);
  if (input.has("survival")) answer.survival = answer_survival(input.at("survival"), request);
  if (input.has("values")) answer.values = answer_values(input.at("values"), request);
  if (input.has("scores")) answer.scores = answer_scores(input.at("scores"), request);
  if (input.has("lr_sensitivity")) answer.lr_sensitivity = answer_lr_sensitivity(input.at("lr_sensitivity"));
  if (input.has("power")) answer.power = answer_power(input.at("power"));
  if (input.has("p_values")) answer.p_values = answer_p_values(input.at("p_values"));
  return answer;
}

}  // namespace
}  // namespace precipice::stats

namespace precipice {

std::string answer_statistics(const std::string& text) {
  return dump(statistics_json(stats::answer_of(text)));
}

}  // namespace precipice
