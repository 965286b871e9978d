// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/label_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "experiments/console/table.h"
#include "experiments/statistics/sweep_statistics.h"
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
  throw ConfigError({"command line", 0, "--rule", name},
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

std::string counts_text(const Json& count) {
  std::string apart;
  for (const char* state : {"untrained", "skipped"})
    if (count[state] != 0)
      apart += fmt::format("{}{} {}", apart.empty() ? " (of them " : ", ", count[state].get<int>(), state);
  return fmt::format("{} yes, {} no{}, {} undecided", count["yes"].get<int>(), count["no"].get<int>(),
                     apart.empty() ? "" : apart + ")", count["undecided"].get<int>());
}

}  // namespace

Json label_report(const SweepData& data, const std::string& rule_name) {
  const std::vector<const LabelRule*> rules = chosen_rules(rule_name);
  Json report{{"directory", data.directory.string()}, {"reference", data.reference}, {"rules", Json::array()}};
  for (const LabelRule* rule : rules) report["rules"].push_back({{"name", rule->name}, {"source", rule->source}});
  Json runs = Json::array(), counts = Json::object();
  for (const LabelRule* rule : rules)
    counts[rule->name] = {{"yes", 0}, {"no", 0}, {"undecided", 0}, {"untrained", 0}, {"skipped", 0}};
  for (const AnalysedRun& run : data.runs) {
    const LabelInput input = run.label_input();
    for (const LabelRule* rule : rules) {
      Label label = apply(data, run, *rule, input);
      const std::string outcome = to_string(label.outcome), state = to_string(run.status.state);
      Json& count = counts[rule->name];
      count[outcome] = count[outcome].get<int>() + 1;
      if (label.outcome == Outcome::No && is_apart(run, *rule)) {
        count[state] = count[state].get<int>() + 1;
        label.reason += "; " + run.status.reason;
      }
      runs.push_back({{"run", run.id},
                      {"format", run.format},
                      {"learning_rate", run.learning_rate},
                      {"seed", run.seeds},
                      {"state", state},
                      {"rule", label.rule},
                      {"outcome", outcome},
                      {"step", label.step},
                      {"value", json_number(label.value)},
                      {"in_warmup", label.in_warmup},
                      {"reason", label.reason}});
    }
  }
  report["counts"] = counts;
  report["labels"] = runs;
  return report;
}

std::string labels_text(const Json& report) {
  std::vector<std::vector<std::string>> rows{{"run", "format", "lr", "seed", "rule", "label", "step", "reason"}};
  for (const Json& label : report["labels"])
    rows.push_back({label["run"], label["format"], rate_text(label["learning_rate"]), label["seed"], label["rule"],
                    label["outcome"], label["step"] == -1 ? "-" : std::to_string(label["step"].get<std::int64_t>()),
                    label["reason"]});
  std::string text = format_table(rows) + "\n";
  for (const auto& [rule, count] : report["counts"].items()) text += fmt::format("{}: {}\n", rule, counts_text(count));
  return text;
}

}  // namespace precipice
