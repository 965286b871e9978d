// SPDX-License-Identifier: Apache-2.0
// `precipice label`: what each rule of metrics/labels says of each run of a sweep.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/console/json_fields.h"
#include "experiments/statistics/sweep_data.h"
#include "metrics/divergence/episodes.h"

namespace precipice {

struct RuleSource {
  std::string name, source;
};

// How many runs a rule says what of; untrained and skipped are of the runs that it says "no" of.
struct LabelCounts {
  std::int64_t yes = 0, no = 0, undecided = 0, untrained = 0, skipped = 0;
  std::int64_t blind = 0,
               logged = 0;  // steps that a rule of episodes could not judge, of those that the runs have logged
};

struct RunLabel {
  std::string run, format;
  double learning_rate;
  std::string seed, state;
  Label label;
  std::optional<Episodes> episodes;  // of a rule that counts them, in a run that can be read
};

struct LabelReport {
  std::string directory, reference;
  std::vector<RuleSource> rules;
  Keyed<LabelCounts> counts;  // of each rule
  std::vector<RunLabel> labels;
};

// `rule`: a name of label_rules(), or "all". Throws ConfigError naming the nearest rule.
LabelReport label_report(const SweepData& data, const std::string& rule);
std::string labels_text(const LabelReport& report);

template <class Visit>
void visit_fields(const RuleSource& rule, const Visit& visit) {
  visit("name", rule.name);
  visit("source", rule.source);
}

template <class Visit>
void visit_fields(const LabelCounts& counts, const Visit& visit) {
  visit("yes", counts.yes);
  visit("no", counts.no);
  visit("undecided", counts.undecided);
  visit("untrained", counts.untrained);
  visit("skipped", counts.skipped);
  if (counts.logged > 0) {
    visit("blind", counts.blind);
    visit("logged", counts.logged);
  }
}

template <class Visit>
void visit_fields(const RunLabel& label, const Visit& visit) {
  visit("run", label.run);
  visit("format", label.format);
  visit("learning_rate", label.learning_rate);
  visit("seed", label.seed);
  visit("state", label.state);
  visit("rule", label.label.rule);
  visit("outcome", to_string(label.label.outcome));
  visit("step", label.label.step);
  visit("value", label.label.value);
  visit("in_warmup", label.label.in_warmup);
  visit("reason", label.label.reason);
  if (label.episodes) {
    visit("episodes", label.episodes->steps);
    visit("judged", label.episodes->judged);
    visit("blind", label.episodes->blind);
  }
}

template <class Visit>
void visit_fields(const LabelReport& report, const Visit& visit) {
  visit("directory", report.directory);
  visit("reference", report.reference);
  visit("rules", report.rules);
  visit("counts", report.counts);
  visit("labels", report.labels);
}

}  // namespace precipice
