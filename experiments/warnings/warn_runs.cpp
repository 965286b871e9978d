// SPDX-License-Identifier: Apache-2.0
#include "experiments/warnings/warn_runs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "precision/base/check.h"

namespace precipice {
namespace {

const LabelRule& stepwise_rule(const std::string& name) {
  std::vector<std::string> names;
  for (const LabelRule& rule : label_rules())
    if (!rule.needs_reference) names.emplace_back(rule.name);
  const LabelRule* rule = find_label_rule(name);
  if (rule != nullptr && !rule->needs_reference) return *rule;
  throw ConfigError({"", 0, "rule", name}, fmt::format("must be a rule that names a step: {}", fmt::join(names, ", ")));
}

// "10" comes after "9".
bool seed_before(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::map<std::string, int> halves_of(const SweepData& data) {
  std::vector<std::string> seeds;
  for (const AnalysedRun& run : data.runs) seeds.push_back(run.seeds);
  std::sort(seeds.begin(), seeds.end(), seed_before);
  seeds.erase(std::unique(seeds.begin(), seeds.end()), seeds.end());
  std::map<std::string, int> halves;
  for (std::size_t i = 0; i < seeds.size(); ++i) halves[seeds[i]] = static_cast<int>(i % 2);
  return halves;
}

std::vector<std::size_t> axes_of(const SweepData& data, const std::vector<std::string>& keys) {
  std::vector<std::size_t> axes;
  for (const std::string& key : keys) {
    const auto axis = std::find(data.axes.begin(), data.axes.end(), key);
    if (axis == data.axes.end()) {
      const std::string near = nearest_word(key, data.axes);
      throw ConfigError({"", 0, "within", key}, fmt::format("no axis of this sweep{}; its axes are {}",
                                                            near.empty() ? "" : fmt::format(", did you mean {}?", near),
                                                            fmt::join(data.axes, ", ")));
    }
    axes.push_back(static_cast<std::size_t>(axis - data.axes.begin()));
  }
  return axes;
}

// All but the seeds.
std::vector<std::string> settings_of(const SweepData& data) {
  std::vector<std::string> keys;
  std::ranges::copy_if(data.axes, std::back_inserter(keys), [](const std::string& key) { return !is_seed_axis(key); });
  return keys;
}

// Between cells any quantity that differs with the settings looks like a signal.
void note_confounding(const SweepData& data, WarnRuns& runs) {
  std::int64_t pairs = 0, equal = 0;
  for (std::size_t i = 0; i < runs.runs.size(); ++i)
    for (std::size_t j = 0; j < runs.runs.size(); ++j) {
      if (!runs.runs[i].diverged || runs.runs[j].diverged || runs.runs[i].stratum != runs.runs[j].stratum) continue;
      ++pairs;
      equal += runs.sources[i]->format == runs.sources[j]->format &&
               runs.sources[i]->learning_rate == runs.sources[j]->learning_rate;
    }
  const bool has_both =
      std::ranges::any_of(runs.runs, &WarnRun::diverged) && !std::ranges::all_of(runs.runs, &WarnRun::diverged);
  if (pairs == 0 && has_both)
    runs.notes.push_back(
        "no setting has both runs that diverged and others: --pooled compares across settings, where any difference "
        "between them looks like a warning");
  if (equal < pairs)
    runs.notes.push_back(fmt::format(
        "{} of {} pairs of a diverged and another run have the same format and learning rate; the others also "
        "tell settings apart{}",
        equal, pairs, equal == 0 ? ", so no warning can be told from a difference between settings" : ""));
  std::set<std::string> seeds;
  for (const AnalysedRun& run : data.runs) seeds.insert(run.seeds);
  if (seeds.size() < 2) runs.notes.push_back("one seed: no half of the seeds is left to try a threshold on");
  const auto done =
      std::count_if(runs.runs.begin(), runs.runs.end(), [](const WarnRun& r) { return !r.diverged && r.finished; });
  if (done > 0 && done < 2 / kFalseAlarmRate)
    runs.notes.push_back(
        fmt::format("runs that ended without divergence: {}; a half of them cannot resolve a false-alarm rate of 5 %; "
                    "thresholds are "
                    "their largest values",
                    done));
}

}  // namespace

WarnRuns make_warn_runs(const SweepData& data, const WarnOptions& options) {
  const LabelRule& rule = stepwise_rule(options.rule);
  const std::vector<std::string> within = options.within ? *options.within : settings_of(data);
  const std::vector<std::size_t> axes = axes_of(data, within);
  const std::map<std::string, int> halves = halves_of(data);
  std::map<std::string, std::int64_t> strata;
  WarnRuns chosen;
  chosen.within = within;
  for (const AnalysedRun& run : data.runs) {
    if (!run.usable()) {
      chosen.notes.push_back(fmt::format("{} left out: {}", run.id, run.problem));
      continue;
    }
    const LabelInput input = run.label_input();
    const Label label = rule.apply(input);
    if (label.outcome == Outcome::Undecided && input.finished) {
      chosen.notes.push_back(fmt::format("{} left out: {}: {}", run.id, rule.name, label.reason));
      continue;
    }
    if (input.steps.empty()) continue;
    std::string stratum;
    for (const std::size_t a : axes) stratum += run.values[a] + "\n";
    WarnRun entry;
    entry.diverged = label.outcome == Outcome::Yes;
    entry.finished = input.finished;
    entry.divergence_step = entry.diverged ? label.step : 0;
    entry.first_step = options.from >= 0 ? options.from : input.warmup_steps + kAlarmDelay;
    entry.last_step = input.steps.back();
    entry.half = halves.at(run.seeds);
    entry.stratum = strata.try_emplace(stratum, static_cast<std::int64_t>(strata.size())).first->second;
    if (!entry.finished)
      chosen.notes.push_back(fmt::format("{} has not ended: compared up to step {}, no part of the false-alarm rate",
                                         run.id, entry.last_step));
    chosen.runs.push_back(entry);
    chosen.sources.push_back(&run);
  }
  const std::int64_t shortest = *std::min_element(options.horizons.begin(), options.horizons.end());
  const auto early = std::count_if(chosen.runs.begin(), chosen.runs.end(),
                                   [&](const WarnRun& run) { return run.diverged && run.divergence_step < shortest; });
  if (early > 0)
    chosen.notes.push_back(fmt::format(
        "diverged before step {1}, within the shortest horizon: {0}; nothing could announce it", early, shortest));
  note_confounding(data, chosen);
  return chosen;
}

}  // namespace precipice
