// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/sweep_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "experiments/console/table.h"
#include "metrics/statistics/lr_sensitivity.h"
#include "metrics/statistics/ranks.h"

namespace precipice {
namespace {

struct Losses {
  std::vector<double> ranked, capped, finite;  // +inf for diverged runs; those at their initial loss; without them
};

Losses losses_of(const std::vector<const AnalysedRun*>& runs) {
  Losses losses;
  for (const AnalysedRun* run : runs) {
    const double loss = run->final_loss();
    if (std::isnan(loss)) continue;
    losses.ranked.push_back(loss);
    losses.capped.push_back(std::isfinite(loss) ? loss : run->initial_loss());
    if (std::isfinite(loss)) losses.finite.push_back(loss);
  }
  // A run whose first loss was no number has no initial loss; it still ranks last.
  std::erase_if(losses.capped, [](double v) { return std::isnan(v); });
  return losses;
}

std::int64_t count_ended(const std::vector<const AnalysedRun*>& runs, bool (AnalysedRun::*is)() const) {
  return std::ranges::count_if(runs, [is](const AnalysedRun* run) { return run->ended() && (run->*is)(); });
}

// Runs that ended without diverging and are no success either: " (untrained: 3 and 0)", or "" where there are none.
std::string apart_text(const Json& pair) {
  std::string text;
  for (const char* state : {"untrained", "skipped"})
    if (pair[state][0] != 0 || pair[state][1] != 0)
      text += fmt::format("{}{}: {} and {}", text.empty() ? "" : "; ", state, pair[state][0].get<int>(),
                          pair[state][1].get<int>());
  return text.empty() ? "" : " (" + text + ")";
}

Json cell_json(const std::string& format, double rate, const std::vector<const AnalysedRun*>& runs) {
  const Losses losses = losses_of(runs);
  const Count count = divergence_count(runs);
  const std::vector<SurvivalTime> times = survival_times(runs);
  const auto range = std::minmax_element(losses.finite.begin(), losses.finite.end());
  Json final{{"n", losses.capped.size()},
             {"median", json_number(median_of(losses.capped))},
             {"lowest", losses.finite.empty() ? Json(nullptr) : Json(*range.first)},
             {"highest", losses.finite.empty() ? Json(nullptr) : Json(*range.second)}};
  if (losses.capped.empty())
    final["reason"] = "no run has ended with a validation loss";
  else if (losses.finite.empty())
    final["reason"] = "every run that ended diverged";
  return {{"format", format},
          {"learning_rate", rate},
          {"runs", runs.size()},
          {"ended", count.trials},
          {"diverged", count_json(count, kConfidence)},
          {"untrained", count_ended(runs, &AnalysedRun::untrained)},
          {"skipped", count_ended(runs, &AnalysedRun::skipped)},
          {"survival", survival_json(times, kConfidence)},
          {"final_loss", final}};
}

std::string p_text(const Json& p) {
  return p.is_number() ? fmt::format("{:.2g}", p.get<double>()) : "none";
}

std::string number_text(const Json& value, const char* format) {
  if (value.is_number()) return fmt::format(fmt::runtime(format), value.get<double>());
  return value.is_string() ? value.get<std::string>() : "-";
}

std::string verdict(const Json& pair, const char* effect) {
  if (!pair["holm_p"].is_number()) return "nothing can be said";
  if (pair["holm_p"].get<double>() > 0.05) return "undecided";
  return pair[effect].is_number() && pair[effect].get<double>() < 0 ? "lower" : "higher";
}

void add_divergence_sentence(Json& pair) {
  const Json n = pair["n"], events = pair["events"];  // copies: a new key moves the others
  const std::string head = fmt::format("At learning rate {}, {} of {} runs of {} and {} of {} of {} diverged{}",
                                       rate_text(pair["learning_rate"]), events[0].get<int>(), n[0].get<int>(),
                                       pair["format"].get<std::string>(), events[1].get<int>(), n[1].get<int>(),
                                       pair["reference"].get<std::string>(), apart_text(pair));
  if (n[0] < 2 || n[1] < 2) {
    pair["verdict"] = "n too small";
    pair["sentence"] = head + ": n too small to compare.";
    return;
  }
  pair["verdict"] = verdict(pair, "difference");
  pair["sentence"] =
      fmt::format("{}: difference {} points (95 % interval {} to {}, Newcombe), Fisher p = {}, {} after Holm: {}.",
                  head, fmt::format("{:+.1f}", 100 * pair["difference"].get<double>()),
                  fmt::format("{:+.1f}", 100 * pair["newcombe"][0].get<double>()),
                  fmt::format("{:+.1f}", 100 * pair["newcombe"][1].get<double>()), p_text(pair["p"]),
                  p_text(pair["holm_p"]), pair["verdict"].get<std::string>());
}

void add_survival_sentence(Json& pair) {
  const bool known = pair["p"].is_number();
  pair["verdict"] = !known                                                                  ? "nothing can be said"
                    : pair["holm_p"].get<double>() > 0.05                                   ? "undecided"
                    : pair["observed"][0].get<double>() > pair["expected"][0].get<double>() ? "sooner"
                                                                                            : "later";
  pair["sentence"] =
      known ? fmt::format(
                  "At learning rate {}, {} had {} divergences where {:.1f} were expected if it were like {} "
                  "(n = {} and {}){}: log-rank p = {}, {} after Holm: {}.",
                  rate_text(pair["learning_rate"]), pair["format"].get<std::string>(),
                  pair["observed"][0].get<double>(), pair["expected"][0].get<double>(),
                  pair["reference"].get<std::string>(), pair["n"][0].get<int>(), pair["n"][1].get<int>(),
                  apart_text(pair), p_text(pair["p"]), p_text(pair["holm_p"]), pair["verdict"].get<std::string>())
            : fmt::format(
                  "At learning rate {}, times to divergence of {} and {} (n = {} and {}){} cannot be compared: {}.",
                  rate_text(pair["learning_rate"]), pair["format"].get<std::string>(),
                  pair["reference"].get<std::string>(), pair["n"][0].get<int>(), pair["n"][1].get<int>(),
                  apart_text(pair), pair["reason"].get<std::string>());
}

void add_loss_sentence(Json& pair) {
  const Json n = pair["n"];  // a copy: a new key moves the others
  const std::string head =
      fmt::format("At learning rate {}, the median final loss of {} (n = {}) is", rate_text(pair["learning_rate"]),
                  pair["format"].get<std::string>(), n[0].get<int>());
  if (n[0] < 2 || n[1] < 2) {
    pair["verdict"] = "n too small";
    pair["sentence"] = fmt::format("At learning rate {}, {} has {} and {} has {} final losses: n too small to compare.",
                                   rate_text(pair["learning_rate"]), pair["format"].get<std::string>(), n[0].get<int>(),
                                   pair["reference"].get<std::string>(), n[1].get<int>());
    return;
  }
  pair["verdict"] = verdict(pair, "median_difference");
  pair["sentence"] = fmt::format(
      "{} {} nats from that of {} (n = {}; 95 % interval {} to {}, bootstrap by run; diverged runs at their initial "
      "loss); "
      "Mann-Whitney with diverged runs last p = {}, {} after Holm: {}.",
      head, number_text(pair["median_difference"], "{:+.4f}"), pair["reference"].get<std::string>(), n[1].get<int>(),
      number_text(pair["bootstrap"][0], "{:+.4f}"), number_text(pair["bootstrap"][1], "{:+.4f}"), p_text(pair["p"]),
      p_text(pair["holm_p"]), pair["verdict"].get<std::string>());
}

Json comparisons(const SweepData& data) {
  Json divergence = Json::array(), survival = Json::array(), loss = Json::array();
  for (const std::string& format : data.formats)
    for (const double rate : data.learning_rates) {
      const auto runs = data.cell(format, rate), others = data.cell(data.reference, rate);
      if (format == data.reference || runs.empty() || others.empty()) continue;
      const Json head{{"format", format}, {"reference", data.reference}, {"learning_rate", rate}};
      const auto add = [&](Json& list, const Json& answer) {
        Json pair = head;
        pair.update(answer);
        for (const auto& [name, is] :
             {std::pair("untrained", &AnalysedRun::untrained), {"skipped", &AnalysedRun::skipped}})
          pair[name] = {count_ended(runs, is), count_ended(others, is)};
        list.push_back(std::move(pair));
      };
      const Count a = divergence_count(runs), b = divergence_count(others);
      Json counted = count_pair_json(a, b, kConfidence);
      counted["events"] = {a.events, b.events};
      add(divergence, counted);
      const std::vector<std::vector<SurvivalTime>> times{survival_times(runs), survival_times(others)};
      Json compared = log_rank_json(times);
      compared["n"] = {times[0].size(), times[1].size()};
      add(survival, compared);
      const Losses of_a = losses_of(runs), of_b = losses_of(others);
      // Ranks with diverged runs last, the difference with them at their initial losses.
      Json compared_losses = value_pair_json(of_a.capped, of_b.capped, {kReportSeed});
      const MannWhitney ranked = mann_whitney(of_a.ranked, of_b.ranked);
      compared_losses["n"] = {of_a.ranked.size(), of_b.ranked.size()};
      compared_losses["u"] = json_number(ranked.u);
      compared_losses["superiority"] = json_number(ranked.superiority);
      compared_losses["exact"] = ranked.exact;
      compared_losses["p"] = json_number(ranked.p);
      add(loss, compared_losses);
    }
  for (Json* list : {&divergence, &survival, &loss}) add_holm(*list);
  for (Json& pair : divergence) add_divergence_sentence(pair);
  for (Json& pair : survival) add_survival_sentence(pair);
  for (Json& pair : loss) add_loss_sentence(pair);
  return {{"divergence", divergence}, {"survival", survival}, {"final_loss", loss}};
}

Json sensitivity_json(const SweepData& data, const std::string& format) {
  std::map<std::string, std::map<double, const AnalysedRun*>> by_seed;
  for (const AnalysedRun& run : data.runs)
    if (run.format == format && run.ended() && !std::isnan(run.final_loss()))
      by_seed[run.seeds][run.learning_rate] = &run;
  std::vector<double> values;
  bool has_learnt = false;  // a run below its initial loss
  for (const auto& [seed, runs] : by_seed) {
    if (runs.size() != data.learning_rates.size()) continue;
    std::vector<double> losses;
    for (const auto& [rate, run] : runs) losses.push_back(run->final_loss());
    const double initial = runs.begin()->second->initial_loss();
    const LrSensitivity found = lr_sensitivity(losses, initial);
    if (std::isnan(found.sensitivity)) continue;
    values.push_back(found.sensitivity);
    has_learnt = has_learnt || found.best_loss < initial;
  }
  const Bootstrap mean = bootstrap_mean(values, {kReportSeed});
  Json json{{"format", format},
            {"rates", data.learning_rates},
            {"seeds", values.size()},
            {"mean", json_number(mean.estimate)},
            {"bootstrap", {nullptr, nullptr}},
            {"by_seed", values}};
  // By the formula both are 0, which would read as: any rate will do.
  if (data.learning_rates.size() < 2)
    json["reason"] = "one learning rate: the sensitivity is 0 by definition";
  else if (!values.empty() && !has_learnt)
    json["reason"] = "no run ended below its initial loss";
  if (json.contains("reason")) {
    json["mean"] = nullptr;
  } else if (values.size() < 2) {
    json["reason"] = "n too small: fewer than two seeds have ended at every rate";
  } else {
    const std::span<const double> groups[] = {values};
    add_bootstrap(json, mean, groups);
  }
  return json;
}

}  // namespace

std::string rate_text(double learning_rate) {
  return fmt::format("{:g}", learning_rate);
}

std::vector<SurvivalTime> survival_times(const std::vector<const AnalysedRun*>& runs) {
  std::vector<SurvivalTime> times;
  for (const AnalysedRun* run : runs)
    if (run->usable()) times.push_back({run->end_step(), run->diverged()});
  return times;
}

Count divergence_count(const std::vector<const AnalysedRun*>& runs) {
  Count count;
  for (const AnalysedRun* run : runs) count.trials += run->ended(), count.events += run->ended() && run->diverged();
  return count;
}

Json sweep_statistics(const SweepData& data) {
  Json cells = Json::array(), sensitivity = Json::array();
  for (const std::string& format : data.formats) {
    for (const double rate : data.learning_rates) {
      const auto runs = data.cell(format, rate);
      if (!runs.empty()) cells.push_back(cell_json(format, rate, runs));
    }
    sensitivity.push_back(sensitivity_json(data, format));
  }
  return {{"directory", data.directory.string()},
          {"reference", data.reference},
          {"confidence", kConfidence},
          {"bootstrap_seed", kReportSeed},
          {"cells", cells},
          {"lr_sensitivity", sensitivity},
          {"comparisons", comparisons(data)},
          {"notes", data.problems()}};
}

std::string statistics_text(const Json& statistics) {
  std::vector<std::vector<std::string>> rows{{"format", "lr", "runs", "diverged", "Wilson 95 %", "Jeffreys 95 %",
                                              "untrained", "skipped", "median step", "median loss"}};
  const auto percent = [](const Json& interval) {
    return fmt::format("{:.1f}-{:.1f}%", 100 * interval[0].get<double>(), 100 * interval[1].get<double>());
  };
  for (const Json& cell : statistics["cells"]) {
    const Json& diverged = cell["diverged"];
    rows.push_back(
        {cell["format"].get<std::string>(), rate_text(cell["learning_rate"]), std::to_string(cell["runs"].get<int>()),
         fmt::format("{}/{}", diverged["events"].get<int>(), diverged["trials"].get<int>()),
         percent(diverged["wilson"]), percent(diverged["jeffreys"]), std::to_string(cell["untrained"].get<int>()),
         std::to_string(cell["skipped"].get<int>()), number_text(cell["survival"]["median"], "{:g}"),
         number_text(cell["final_loss"]["median"], "{:.4f}")});
  }
  std::string text = format_table(rows);
  for (const Json& entry : statistics["lr_sensitivity"])
    text += fmt::format("LR sensitivity of {}: {} (95 % {} to {}; seeds: {}, rates: {}){}\n",
                        entry["format"].get<std::string>(), number_text(entry["mean"], "{:.4f}"),
                        number_text(entry["bootstrap"][0], "{:.4f}"), number_text(entry["bootstrap"][1], "{:.4f}"),
                        entry["seeds"].get<int>(), entry["rates"].size(),
                        entry.contains("reason") ? ": " + entry["reason"].get<std::string>() : "");
  for (const auto& [kind, list] : statistics["comparisons"].items())
    for (const Json& pair : list) text += pair["sentence"].get<std::string>() + "\n";
  for (const Json& note : statistics["notes"]) text += note.get<std::string>() + "\n";
  return text;
}

}  // namespace precipice
