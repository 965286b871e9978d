// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/bisect.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "experiments/console/worker_threads.h"
#include "precision/base/check.h"
#include "train/data/open_tokens.h"
#include "train/data/tokens.h"
#include "train/recipes/recipes.h"
#include "train/run/run_inputs.h"

namespace precipice {
namespace {

constexpr std::int64_t kDefaultSteps = 200;
// Beyond a divergence, so that a part which only puts it off a little does not look like a cure.
constexpr std::int64_t kStepsBeyond = 20;
constexpr double kDecidingShare = 0.5;
// Losses of equal data differ by less than this from rounding alone; the share of a smaller gap means nothing.
constexpr double kSmallestGap = 0.005;  // of the target's loss

std::string checked_target(const std::string& to) {
  if (to == "fp32") return "high";
  if (to == "bf16") return to;
  throw ConfigError({"", 0, "to", to.substr(0, 60)}, "must be one of fp32, bf16");
}

// Everything between the matmuls in fp32, whatever the target of the matmuls.
void clear_elements(RunConfig& config) {
  PrecisionConfig& p = config.precision;
  for (std::string* key : {&p.vector, &p.residual, &p.softmax, &p.norm, &p.norm_weights}) *key = "high";
  if (config.model.kind->has_rotary_positions()) p.rope_table = "high";
}

void add_rules(PrecisionConfig& precision, const std::string& rules) {
  precision.rules += (precision.rules.empty() || rules.empty() ? "" : "; ") + rules;
}

// Rules that put the selected part to the target, and those that put everything else there.
struct Split {
  std::string kind, name, part, rest;
  bool between = false;
};

std::string joined(const std::vector<std::string>& selectors, const std::string& target) {
  std::string rules;
  for (const std::string& selector : selectors) rules += (rules.empty() ? "" : "; ") + selector + " -> " + target;
  return rules;
}

// One of some selectors that together select everything.
void add_splits(std::vector<Split>& splits, const std::string& kind, const std::vector<std::string>& names,
                const std::vector<std::string>& selectors, const std::string& target) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<std::string> rest = selectors;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    splits.push_back({kind, names[i], joined({selectors[i]}, target), joined(rest, target)});
  }
}

std::vector<Split> all_splits(const RunConfig& config, const std::string& target) {
  std::vector<Split> splits;
  const PrecisionPolicy policy = make_policy(config.precision, config.model);
  std::vector<std::string> sites, layers, layer_selectors;
  for (const SiteKind kind : policy.block_sites()) sites.push_back(to_string(kind));
  if (policy.has_head()) sites.push_back(to_string(SiteKind::LmHead));
  add_splits(splits, "site", sites, sites, target);
  add_splits(splits, "pass", {"fprop", "dgrad", "wgrad"}, {"pass=fprop", "pass=dgrad", "pass=wgrad"}, target);
  add_splits(splits, "operand", {"x", "w", "dy"}, {"operand=x", "operand=w", "operand=dy"}, target);
  for (std::int64_t layer = 0; layer < config.model.layers; ++layer) {
    layers.push_back(std::to_string(layer));
    layer_selectors.push_back("layers=" + std::to_string(layer));
  }
  layers.push_back("lm_head");  // in no layer
  layer_selectors.push_back("lm_head");
  add_splits(splits, "layer", layers, layer_selectors, target);
  splits.pop_back();  // the LM head alone is a site already; it had to be among the rest of each layer
  splits.push_back({"between", "matmuls", "", "* -> " + target, true});
  return splits;
}

PrecisionConfig precision_of(const RunConfig& config, const Split& split, bool reverse) {
  RunConfig changed = config;
  add_rules(changed.precision, reverse ? split.rest : split.part);
  if (split.between != reverse) clear_elements(changed);
  return changed.precision;
}

bool same_policies(const RunConfig& config, const PrecisionConfig& a, const PrecisionConfig& b) {
  const PrecisionSchedule x = make_schedule(a, config.model, config.train.steps),
                          y = make_schedule(b, config.model, config.train.steps);
  std::vector<std::int64_t> steps = x.first_steps;
  steps.insert(steps.end(), y.first_steps.begin(), y.first_steps.end());
  for (const std::int64_t step : steps) {
    const PrecisionPolicy &p = x.at_step(step), &q = y.at_step(step);
    if (!(p.elements() == q.elements())) return false;
    for (std::size_t site = 0; site < p.num_sites(); ++site)
      if (!(p.at(site) == q.at(site))) return false;
  }
  return true;
}

std::int64_t checked_steps(const BisectRequest& request, const ReplayStart& start) {
  const std::int64_t left = start.config.train.steps - start.step;
  const auto logged = static_cast<std::int64_t>(start.logged_losses.size());
  if (left == 0)
    throw ConfigError(
        {"", 0, "from", std::to_string(request.from)},
        fmt::format("is the run's last step; nothing is left of train.steps = {}", start.config.train.steps));
  if (request.steps > left)
    throw ConfigError({"", 0, "steps", std::to_string(request.steps)},
                      fmt::format("must be from 1 to {}: train.steps = {}", left, start.config.train.steps));
  if (request.steps > 0) return request.steps;
  return std::min(left, start.diverged ? logged + kStepsBeyond : std::min(kDefaultSteps, logged > 0 ? logged : left));
}

double share_of(double own, double target, double part, bool reverse) {
  return reverse ? (part - target) / (own - target) : (own - part) / (own - target);
}

std::string names_of(const std::vector<BisectPart>& parts) {
  std::string names;
  for (const BisectPart& part : parts)
    if (part.decides) names += (names.empty() ? "" : ", ") + part.kind + " " + part.name;
  return names;
}

}  // namespace

std::string judge(BisectResult& result, const BisectRequest& request) {
  const Replay &own = result.own, &target = result.target;
  if (target.diverged())
    return fmt::format(
        "{}: with everything in {} the run diverges (step {})",
        own.diverged() ? "precision does not decide" : "undecided, since its own precision does not diverge",
        request.to, target.divergence.step);
  const bool finite = std::isfinite(own.final_loss) && std::isfinite(target.final_loss);
  const double gap = own.final_loss - target.final_loss;
  if (!own.diverged() && !(std::abs(gap) > kSmallestGap * target.final_loss))
    return fmt::format("undecided: final losses of the run's precision and of {} differ by {:.2g} nats only",
                       request.to, gap);
  for (BisectPart& part : result.parts) {
    if (finite && std::isfinite(part.replay.final_loss))
      part.share = share_of(own.final_loss, target.final_loss, part.replay.final_loss, request.reverse);
    part.decides = own.diverged() ? part.replay.diverged() == request.reverse : part.share >= kDecidingShare;
  }
  const auto moves_back = [](const BisectPart& part) { return part.share <= -kDecidingShare; };
  if (!own.diverged() && std::any_of(result.parts.begin(), result.parts.end(), moves_back)) {
    for (BisectPart& part : result.parts) part.decides = false;
    return fmt::format(
        "undecided: a part in {} moves the loss as far up as down; the gap of {:.2g} nats is within what any change "
        "does",
        request.to, gap);
  }
  const std::string names = names_of(result.parts);
  if (names.empty())
    return fmt::format("no single part decides{}",
                       request.reverse ? "" : "; --reverse asks which is enough to do harm");
  const char* what = own.diverged() ? "the divergence" : "the loss";
  return request.reverse
             ? fmt::format("each of these alone brings {} about: {}", what, names)
             : fmt::format("{} goes away with {} for any one of: {}",
                           own.diverged() ? what : "at least half of the difference in loss", request.to, names);
}

BisectResult bisect_run(const BisectRequest& request) {
  const std::string target = checked_target(request.to);
  const ReplayStart start = read_replay_start(request.run, request.from);
  const RunConfig& config = start.config;
  BisectResult result;
  result.run_id = run_id(config);
  result.from = request.from;
  result.steps = checked_steps(request, start);
  check_input(request.run, config, kDataInput);
  if (!start.checkpoint) check_input(request.run, config, kInitInput);
  const auto tokens = open_tokens(config);

  RunConfig at_target = config;
  add_rules(at_target.precision, "* -> " + target);
  clear_elements(at_target);
  const PrecisionConfig& everything = at_target.precision;
  struct Work {
    PrecisionConfig precision;
    Replay* replay;
    bool watch;
  };
  std::vector<Work> tasks = {{config.precision, &result.own, true}, {everything, &result.target, false}};
  const PrecisionConfig& reference = request.reverse ? everything : config.precision;
  for (const Split& split : all_splits(config, target)) {
    const PrecisionConfig precision = precision_of(config, split, request.reverse);
    BisectPart part{split.kind, split.name, request.reverse ? split.rest : split.part, {}, false};
    part.unchanged = same_policies(config, precision, reference);
    result.parts.push_back(std::move(part));
    if (!result.parts.back().unchanged) tasks.push_back({precision, nullptr, false});
  }
  std::size_t task = 2;  // the parts no longer move
  for (BisectPart& part : result.parts)
    if (!part.unchanged) tasks[task++].replay = &part.replay;

  std::size_t finished = 0;
  run_worker_threads(
      tasks.size(), request.jobs,
      [&] {
        return [&](std::size_t i) {
          *tasks[i].replay = replay(start, tasks[i].precision, *tokens, result.steps, tasks[i].watch);
        };
      },
      [&](std::size_t done) {
        finished = done;
        if (request.progress) request.progress(done, tasks.size());
        return !(request.stop && *request.stop);
      });
  result.complete = finished == tasks.size();
  if (!result.complete) return result;
  for (BisectPart& part : result.parts)
    if (part.unchanged) part.replay = request.reverse ? result.target : result.own;
  const std::size_t logged = std::min(start.logged_losses.size(), result.own.losses.size());
  result.logged = static_cast<std::int64_t>(logged);
  result.reproduces_log = logged > 0;
  for (std::size_t i = 0; i < logged; ++i)
    result.reproduces_log &=
        std::bit_cast<std::uint64_t>(start.logged_losses[i]) == std::bit_cast<std::uint64_t>(result.own.losses[i]) ||
        (std::isnan(start.logged_losses[i]) && std::isnan(result.own.losses[i]));
  result.verdict = judge(result, request);
  return result;
}

}  // namespace precipice
