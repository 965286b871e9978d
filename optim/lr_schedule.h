// SPDX-License-Identifier: Apache-2.0
// Learning-rate schedule: a pure function of the step. Linear warm-up, then the peak, decaying along a cosine or a line
// (or constant) to final_fraction of the peak at step == total_steps, that is just after the last 0-based step
// (nanoGPT train.py get_lr; Loshchilov & Hutter arXiv 1608.03983).
#pragma once

#include <cstdint>

#include "precision/base/spellings.h"

namespace precipice {

enum class ScheduleKind : std::uint8_t { Cosine, Linear, Constant };
inline constexpr Spellings<ScheduleKind, 3> kScheduleKinds{
    {{"cosine", ScheduleKind::Cosine}, {"linear", ScheduleKind::Linear}, {"constant", ScheduleKind::Constant}}};

struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::Cosine;
  std::int64_t warmup_steps = 20;
  double final_fraction = 0.1;  // learning rate at the end, relative to the peak
};

// Factor in [0, 1] for 0-based `step` of `total_steps`: (step + 1) / (warmup + 1) during warm-up (nanoGPT), 1 at its
// end.
double schedule_factor(const ScheduleConfig& config, std::int64_t step, std::int64_t total_steps);

}  // namespace precipice
