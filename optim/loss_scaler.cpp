// SPDX-License-Identifier: Apache-2.0
#include "optim/loss_scaler.h"

#include <algorithm>
#include <cmath>

#include "precision/base/check.h"

namespace precipice {
namespace {

void require(bool condition, const char* key, double value, const char* allowed) {
  if (!condition) throw ConfigError({.file = "", .line = 0, .key = key, .value = join_parts(value)}, allowed);
}

LossScaling known_kind(const LossScaleConfig& c) {
  PRECIPICE_CHECK(c.kind.has_value(), "loss_scale.kind is not resolved");
  return *c.kind;
}

void check_numbers(LossScaling kind, const LossScaleConfig& c) {
  if (kind == LossScaling::None) return;
  require(std::isfinite(c.initial) && c.initial > 0, "loss_scale.initial", c.initial, "must be finite and above 0");
  if (kind == LossScaling::Static) return;
  require(std::isfinite(c.factor) && c.factor > 1, "loss_scale.factor", c.factor, "must be finite and above 1");
  require(c.window >= 1, "loss_scale.window", static_cast<double>(c.window), "must be at least 1");
  require(std::isfinite(c.maximum) && c.maximum > 0, "loss_scale.maximum", c.maximum, "must be finite and above 0");
  require(c.minimum > 0 && c.minimum <= std::min(c.initial, c.maximum), "loss_scale.minimum", c.minimum,
          "must be above 0 and at most loss_scale.initial and loss_scale.maximum");
}

}  // namespace

LossScaler::LossScaler(const LossScaleConfig& config) : kind_(known_kind(config)), config_(config) {
  check_numbers(kind_, config_);
  if (kind_ == LossScaling::Static) state_.scale = config_.initial;
  if (kind_ == LossScaling::Dynamic) state_.scale = std::min(config_.initial, config_.maximum);
}

LossScaler::Decision LossScaler::update(bool gradients_finite) {
  if (kind_ != LossScaling::Dynamic) return Decision::Apply;
  if (!gradients_finite) {
    state_ = {std::max(state_.scale / config_.factor, config_.minimum), 0};
    return Decision::Skip;
  }
  if (++state_.good_steps == config_.window) {
    state_ = {std::min(state_.scale * config_.factor, config_.maximum), 0};
  }
  return Decision::Apply;
}

}  // namespace precipice
