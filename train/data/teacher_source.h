// SPDX-License-Identifier: Apache-2.0
// The source of data.source = teacher: inputs x ~ N(0, 1) of the model's width, and targets y = t(x) + noise from a fixed
// random network, the student-teacher setting of arXiv 2506.20752 (section 4):
//   t = b_L o ... o b_1,   b_l(h) = V_l2 gelu(V_l1 h),   V_l1 ~ N(0, 2 / C) (F, C),   V_l2 ~ N(0, 1 / F) (C, F)
// without norms and without a residual stream, as in the paper's code (KempnerInstitute/systems-scaling,
// synthetic/student_teacher.py); the variances are this project's: they keep the size of a vector from block to block,
// where the code's defaults shrink it to a fifth in each. Weights follow from data.language_seed, inputs and noise from
// (data.seed, step). Validation: fixed inputs, whatever the seed, and targets without noise.
#pragma once

#include <memory>

#include "train/config/run_config.h"
#include "train/data/tokens.h"

namespace precipice {

// The config is resolved: data.seed, data.teacher_layers and data.teacher_hidden are set.
std::unique_ptr<TokenSource> open_teacher(const RunConfig& config);

// Of its weights.
double teacher_bytes(const RunConfig& config);

}  // namespace precipice
