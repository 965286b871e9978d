// SPDX-License-Identifier: Apache-2.0
#include "experiments/claims/claim_runs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

#include "precision/base/check.h"
#include "train/recipes/recipes.h"

namespace precipice {
namespace {

// Numbers are equal as numbers: 1e-3 is 0.001.
bool same_value(const std::string& a, const std::string& b) {
  if (a == b) return true;
  char *end_a = nullptr, *end_b = nullptr;
  const double x = std::strtod(a.c_str(), &end_a), y = std::strtod(b.c_str(), &end_b);
  return end_a != a.c_str() && end_b != b.c_str() && *end_a == 0 && *end_b == 0 && x == y;
}

// A recipe may have several names. What is no recipe is none.
bool same_recipe(const std::string& a, const std::string& b) {
  try {
    return canonical_recipe(a) == canonical_recipe(b);
  } catch (const ConfigError&) {
    return false;
  }
}

std::vector<std::string> axis_texts(const std::vector<const AnalysedRun*>& runs, std::size_t axis) {
  std::vector<std::string> values;
  for (const AnalysedRun* run : runs)
    if (std::find(values.begin(), values.end(), run->values[axis]) == values.end()) values.push_back(run->values[axis]);
  return values;
}

class Selection {
 public:
  Selection(const SweepData& data, const Claim& claim) : data_(data), claim_(claim) {
    for (const AnalysedRun& run : data.runs) runs_.push_back(&run);
  }

  ClaimRuns select() {
    if (!find_compared() || !apply_at() || !check_rest()) return {{}, problem_};
    ClaimRuns selected = pair();
    if (selected.problem.empty()) selected.problem = problem_of(selected.pairs);
    return selected;
  }
  std::string problem_of_plan() { return !find_compared() || !apply_at() || !check_rest() ? problem_ : pair().problem; }

 private:
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  bool any_has(std::size_t axis, const std::string& wanted) const {
    return std::any_of(runs_.begin(), runs_.end(),
                       [&](const AnalysedRun* run) { return has_value(*run, axis, wanted); });
  }

  // By the value's text or its label.
  bool has_value(const AnalysedRun& run, std::size_t axis, const std::string& wanted) const {
    return same_value(run.values[axis], wanted) || (axis < run.shown.size() && run.shown[axis] == wanted) ||
           (data_.axes[axis] == "precision.recipe" && same_recipe(run.values[axis], wanted));
  }

  bool find_compared() {
    for (std::size_t a = 0; a < data_.axes.size(); ++a) {
      if (is_seed_axis(data_.axes[a]) || !any_has(a, claim_.first) || !any_has(a, claim_.second)) continue;
      axis_ = a;
      return true;
    }
    const auto is_format = [&](const std::string& name) {
      return std::find(data_.formats.begin(), data_.formats.end(), name) != data_.formats.end();
    };
    if (is_format(claim_.first) && is_format(claim_.second)) return true;
    return fail(fmt::format("no axis has both {} and {}; the formats are {}", claim_.first, claim_.second,
                            fmt::join(data_.formats, "; ")));
  }

  bool apply_at() {
    for (const auto& [key, value] : claim_.at) {
      const auto found = std::find(data_.axes.begin(), data_.axes.end(), key);
      if (found == data_.axes.end())
        return fail(fmt::format("\"at\" names {}, which the sweep does not vary; its axes are {}", key,
                                fmt::join(data_.axes, ", ")));
      const auto axis = static_cast<std::size_t>(found - data_.axes.begin());
      if (!any_has(axis, value))
        return fail(
            fmt::format("no run has {} = {}; there are {}", key, value, fmt::join(axis_texts(runs_, axis), ", ")));
      // Named anew: Clang before 16 captures no structured binding.
      std::erase_if(runs_, [&, &wanted = value](const AnalysedRun* run) { return !has_value(*run, axis, wanted); });
    }
    std::erase_if(runs_, [&](const AnalysedRun* run) { return !is_first(*run) && !is_second(*run); });
    return true;
  }

  // Axes that still vary, seeds and what is compared apart.
  bool check_rest() {
    for (std::size_t a = 0; a < data_.axes.size(); ++a) {
      const std::string& key = data_.axes[a];
      if (is_seed_axis(key) || (axis_ && *axis_ == a)) continue;
      if (!axis_ && key != "optimizer.lr") continue;  // a part of the format
      const std::vector<std::string> values = axis_texts(runs_, a);
      if (axis_ && moves_with(a, *axis_)) continue;
      if (values.size() > 1) return fail(fmt::format("\"at\" has to name one {} of {}", key, fmt::join(values, ", ")));
    }
    return true;
  }

  // Linked axes: what is compared moves this one too.
  bool moves_with(std::size_t axis, std::size_t leader) const {
    std::map<std::string, std::string> seen;
    return std::all_of(runs_.begin(), runs_.end(), [&](const AnalysedRun* run) {
      return seen.emplace(run->values[leader], run->values[axis]).first->second == run->values[axis];
    });
  }

  bool is(const AnalysedRun& run, const std::string& wanted) const {
    return axis_ ? has_value(run, *axis_, wanted) : run.format == wanted;
  }
  bool is_first(const AnalysedRun& run) const { return is(run, claim_.first); }
  bool is_second(const AnalysedRun& run) const { return is(run, claim_.second); }

  ClaimRuns pair() {
    std::vector<const AnalysedRun*> firsts, seconds;
    for (const AnalysedRun* run : runs_) (is_first(*run) ? firsts : seconds).push_back(run);
    ClaimRuns selected{pairs_by_seed(firsts, seconds), ""};
    if (static_cast<std::int64_t>(selected.pairs.size()) > claim_.n)
      selected.pairs.resize(static_cast<std::size_t>(claim_.n));
    if (static_cast<std::int64_t>(selected.pairs.size()) < claim_.n)
      selected.problem = fmt::format("n = {}, and the sweep has {} seeds of both", claim_.n, selected.pairs.size());
    return selected;
  }

  std::string problem_of(const std::vector<RunPair>& pairs) const {
    std::size_t not_ended = 0;
    for (const RunPair& pair : pairs) not_ended += !pair.first->ended(), not_ended += !pair.second->ended();
    if (not_ended > 0) return fmt::format("{} of its {} runs have not ended", not_ended, 2 * pairs.size());
    for (const RunPair& pair : pairs) {
      if (pair.first->config.train.steps != pair.second->config.train.steps)
        return fmt::format("runs of {} and of {} steps are compared", pair.first->config.train.steps,
                           pair.second->config.train.steps);
      for (const RunInput& input : pair.first->inputs)
        for (const RunInput& other : pair.second->inputs)
          if (input.key == other.key && input.sha256 != other.sha256)
            return fmt::format("seed {} was trained on different files ({}, SHA-256 {} and {})", pair.first->seeds,
                               input.key, input.sha256.substr(0, 8), other.sha256.substr(0, 8));
    }
    for (const RunPair& pair : pairs)
      if (!pair.first->machine.empty() && !pair.second->machine.empty() && pair.first->machine != pair.second->machine)
        return fmt::format("seed {} ran on different machines ({}; {})", pair.first->seeds, pair.first->machine,
                           pair.second->machine);
    return "";
  }

  const SweepData& data_;
  const Claim& claim_;
  std::vector<const AnalysedRun*> runs_;
  std::optional<std::size_t> axis_;  // none: by format
  std::string problem_;
};

}  // namespace

ClaimRuns select_runs(const SweepData& data, const Claim& claim) {
  return Selection(data, claim).select();
}

std::string problem_of_plan(const SweepData& planned, const Claim& claim) {
  return Selection(planned, claim).problem_of_plan();
}

}  // namespace precipice
