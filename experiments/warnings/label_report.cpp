// SPDX-License-Identifier: Apache-2.0
#include "experiments/warnings/label_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "experiments/console/table.h"
#include "experiments/statistics/sweep_statistics_text.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

std::vector<const LabelRule*> chosen_rules(const std::string& name) {
  std::vector<const LabelRule*> rules;
  std::vector<std::string> names{"all"};
  for (const LabelRule& rule : label_rules()) {
    names.emplace_back(rule.name);
    if (name == "all" || name == rule.name) rules.push_back(&rule);
  }
  if (!rules.empty()) return rules;
  const std::string near = nearest_word(name, names);
  throw ConfigError({"", 0, "rule", name},
                    fmt::format("{}the rules are {}", near.empty() ? "" : fmt::format("did you mean {}? ", near),
                                fmt::join(names, ", ")));
}

// The final averages of the reference's other seeds at the run's learning rate.
std::vector<double> reference_band(const SweepData& data, const AnalysedRun& run) {
  std::vector<double> averages;
  for (const AnalysedRun* other : data.cell(data.reference, run.learning_rate)) {
    if (other == &run || !other->ended() || other->diverged()) continue;
    const double average = final_average_loss(other->label_input());
    if (!std::isnan(average)) averages.push_back(average);
  }
  return averages;
}

Label apply(const SweepData& data, const AnalysedRun& run, const LabelRule& rule, const LabelInput& input) {
  if (!run.usable())
    return {rule.name, Outcome::Undecided, -1, std::numeric_limits<double>::quiet_NaN(), run.problem, false};
  if (rule.needs_reference) return soft_failure(input, run.diverged(), reference_band(data, run));
  return rule.apply(input);
}

// A run that did not diverge and learnt nothing is no success: a "no" says so.
bool is_apart(const AnalysedRun& run, const LabelRule& rule) {
  return (run.untrained() || run.skipped()) && rule.name != to_string(run.status.state);
}

std::string counts_text(const LabelCounts& count) {
  std::string apart;
  for (const auto& [state, runs] : {std::pair("untrained", count.untrained), {"skipped", count.skipped}})
    if (runs != 0) apart += fmt::format("{}{} {}", apart.empty() ? " (of them " : ", ", runs, state);
  const std::string blind = count.blind > 0 ? fmt::format("; blind for {} of {} steps", count.blind, count.logged) : "";
  return fmt::format("{} yes, {} no{}, {} undecided{}", count.yes, count.no, apart.empty() ? "" : apart + ")",
                     count.undecided, blind);
}

void add_to(LabelCounts& count, const Label& label, const AnalysedRun& run, bool apart) {
  ++(label.outcome == Outcome::Yes ? count.yes : label.outcome == Outcome::No ? count.no : count.undecided);
  if (apart) ++(run.untrained() ? count.untrained : count.skipped);
}

// When its episodes begin, and which steps the rule could judge.
std::optional<Episodes> episodes_of(const AnalysedRun& run, const LabelRule& rule, const LabelInput& input) {
  const std::vector<std::string> counting = episode_rules();
  if (!run.usable() || std::ranges::find(counting, rule.name) == counting.end()) return std::nullopt;
  return find_episodes(rule.name, input);
}

}  // namespace

LabelReport label_report(const SweepData& data, const std::string& rule_name) {
  const std::vector<const LabelRule*> rules = chosen_rules(rule_name);
  LabelReport report{data.directory.string(), data.reference, {}, {}, {}};
  for (const LabelRule* rule : rules) {
    report.rules.push_back({rule->name, rule->source});
    report.counts.emplace_back(rule->name, LabelCounts{});
  }
  for (const AnalysedRun& run : data.runs) {
    const LabelInput input = run.label_input();
    for (std::size_t i = 0; i < rules.size(); ++i) {
      Label label = apply(data, run, *rules[i], input);
      const bool apart = label.outcome == Outcome::No && is_apart(run, *rules[i]);
      add_to(report.counts[i].second, label, run, apart);
      std::optional<Episodes> episodes = episodes_of(run, *rules[i], input);
      if (episodes) {
        report.counts[i].second.blind += episodes->blind;
        report.counts[i].second.logged += episodes->blind + episodes->judged;
      }
      if (apart) label.reason += "; " + run.status.reason;
      report.labels.push_back({run.id, run.format, run.learning_rate, run.seeds, to_string(run.status.state),
                               std::move(label), std::move(episodes)});
    }
  }
  return report;
}

std::string labels_text(const LabelReport& report) {
  std::vector<std::vector<std::string>> rows{{"run", "format", "lr", "seed", "rule", "label", "step", "reason"}};
  for (const RunLabel& one : report.labels) {
    const Label& label = one.label;
    rows.push_back({one.run, one.format, rate_text(one.learning_rate), one.seed, label.rule, to_string(label.outcome),
                    label.step == -1 ? "-" : std::to_string(label.step), label.reason});
  }
  std::string text = format_table(rows) + "\n";
  for (const auto& [rule, count] : report.counts) text += fmt::format("{}: {}\n", rule, counts_text(count));
  return text;
}

}  // namespace precipice
