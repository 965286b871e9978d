// SPDX-License-Identifier: Apache-2.0
// The optimizers that a config can name. Kernels for every instruction set and for the GPU, the choices of
// optimizer.kind, checkpoints and estimates follow from this list.
#pragma once

#include "optim/rules/adamw.h"
#include "optim/rules/lion.h"
#include "optim/rules/sgd.h"

namespace precipice {

template <class... Rules>
struct RuleList {};

using OptimizerRules = RuleList<AdamW, Lion, Sgd>;

}  // namespace precipice
