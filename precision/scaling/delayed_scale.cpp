// SPDX-License-Identifier: Apache-2.0
// The update rules of delayed scaling, one binary32 operation after the other as the peers have them.
#include "precision/scaling/delayed_scale.h"

#include <algorithm>
#include <cmath>

#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "precision/format/log2_exponent.h"
#include "precision/scaling/scale_formulas.h"

namespace precipice {
namespace {

constexpr Spellings<DelayedUpdate, 3> kUpdates{
    {{"te", DelayedUpdate::Te}, {"te-unfused", DelayedUpdate::TeUnfused}, {"ms-amp", DelayedUpdate::MsAmp}}};
constexpr Spellings<AmaxAlgorithm, 2> kAlgorithms{
    {{"max", AmaxAlgorithm::Max}, {"most-recent", AmaxAlgorithm::MostRecent}}};

bool is_positive_finite(float x) {
  return x > 0.0f && std::isfinite(x);
}

float largest(const std::vector<float>& history, bool nan_wins) {
  float result = 0.0f;
  for (const float amax : history) {
    if (std::isnan(amax) && nan_wins) return amax;
    if (amax > result) result = amax;
  }
  return result;
}

void roll(std::vector<float>& history) {
  std::rotate(history.begin(), history.begin() + 1, history.end());
  history.front() = 0.0f;
}

void update_te(DelayedScale& state, const DelayedRule& rule, float max_finite, bool recompute) {
  const float newest = state.history.front();
  float amax = 0.0f;
  if (newest != 0.0f) {
    amax = rule.algorithm == AmaxAlgorithm::MostRecent ? newest : largest(state.history, false);
    roll(state.history);
  }
  const float scaled_max = max_finite * power_of_two(-rule.margin);
  if (recompute && is_positive_finite(amax)) state.scale = te_finite_scale(scaled_max / amax, rule.power_of_two);
}

void update_te_unfused(DelayedScale& state, const DelayedRule& rule, float max_finite, bool recompute) {
  const float amax = rule.algorithm == AmaxAlgorithm::MostRecent ? state.history.front() : largest(state.history, true);
  roll(state.history);
  if (!recompute || !is_positive_finite(amax)) return;
  const float inverse = 1.0f / amax;
  const float ratio = inverse * max_finite;
  state.scale = te_finite_scale(ratio / power_of_two(rule.margin), rule.power_of_two);
}

}  // namespace

void validate(const DelayedRule& rule) {
  const auto require = [](bool condition, const char* key, int value, const char* problem) {
    if (!condition) throw ConfigError({"", 0, key, std::to_string(value)}, problem);
  };
  require(rule.history >= 1 && rule.history <= 65536, "history", rule.history, "must be from 1 to 65536");
  require(rule.margin >= -60 && rule.margin <= 60, "margin", rule.margin, "must be from -60 to 60");
  require(rule.interval >= 1, "interval", rule.interval, "must be at least 1");
}

DelayedScale initial_scale(const DelayedRule& rule) {
  return {1.0f, std::vector<float>(static_cast<std::size_t>(rule.history), 0.0f), 0};
}

float scale_now(const DelayedScale& state, const DelayedRule& rule, float amax, float max_finite) {
  if (rule.update == DelayedUpdate::MsAmp && state.updates < rule.history)
    return ms_amp_scale({.amax = amax, .max_finite = max_finite}, state.scale, rule.margin);
  return state.scale;
}

void update(DelayedScale& state, const DelayedRule& rule, float amax, float max_finite) {
  PRECIPICE_CHECK(state.history.size() == static_cast<std::size_t>(rule.history), "history of ", state.history.size(),
                  " steps, expected ", rule.history);
  const bool recompute = (state.updates + 1) % rule.interval == 0;
  if (rule.update == DelayedUpdate::MsAmp) {
    std::rotate(state.history.begin(), state.history.end() - 1, state.history.end());
    state.history.front() = amax;
    const float window = rule.algorithm == AmaxAlgorithm::MostRecent ? amax : largest(state.history, true);
    const float next = state.updates + 1 < rule.history ? amax : window;
    if (recompute) state.scale = ms_amp_scale({.amax = next, .max_finite = max_finite}, state.scale, rule.margin);
  } else {
    state.history.front() = amax;
    if (rule.update == DelayedUpdate::Te)
      update_te(state, rule, max_finite, recompute);
    else
      update_te_unfused(state, rule, max_finite, recompute);
  }
  ++state.updates;
}

AmaxAlgorithm parse_amax_algorithm(std::string_view text) {
  return parse_spelling("algo", text, kAlgorithms);
}
std::string to_string(DelayedUpdate update) {
  return spelling_of(update, kUpdates);
}
std::string to_string(AmaxAlgorithm algorithm) {
  return spelling_of(algorithm, kAlgorithms);
}

}  // namespace precipice
