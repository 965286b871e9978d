// SPDX-License-Identifier: Apache-2.0
// Loss scaling: multiply the loss by S so that small gradients survive a narrow format, divide before the update.
// Dynamic rule with apex's constants (apex.amp.scaler): S starts at 2^16; a non-finite gradient halves it (never below
// the minimum), resets the count and skips the step; after 2000 good steps in a row it doubles, up to 2^24.
// Micikevicius et al., "Mixed Precision Training", arXiv 1710.03740, section 3.2.
#pragma once

#include <cstdint>
#include <optional>

#include "precision/base/spellings.h"

namespace precipice {

enum class LossScaling : std::uint8_t { None, Static, Dynamic };
inline constexpr Spellings<LossScaling, 3> kLossScalings{
    {{"none", LossScaling::None}, {"static", LossScaling::Static}, {"dynamic", LossScaling::Dynamic}}};

struct LossScaleConfig {
  std::optional<LossScaling> kind = LossScaling::None;  // nothing: not known yet, with which no scaler can be made
  double initial = 65536;                               // S of static, first S of dynamic
  double factor = 2;                                    // growth and back-off
  std::int64_t window = 2000;                           // good steps before growth
  double minimum = 1;
  double maximum = 16777216;  // 2^24
};

class LossScaler {
 public:
  enum class Decision { Apply, Skip };
  // What a checkpoint keeps.
  struct State {
    double scale = 1;
    std::int64_t good_steps = 0;
  };
  // ConfigError on numbers with which the rule makes no sense.
  explicit LossScaler(const LossScaleConfig& config);
  double scale() const { return state_.scale; }
  // Whether update() may ever say Skip.
  bool skips_infinite() const { return kind_ == LossScaling::Dynamic; }
  // none and static never skip: a non-finite gradient goes on into the weights, as it would without a scaler.
  Decision update(bool gradients_finite);
  State state() const { return state_; }
  void restore(State state) { state_ = state; }

 private:
  LossScaling kind_;
  LossScaleConfig config_;
  State state_;
};

}  // namespace precipice
