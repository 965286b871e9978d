// SPDX-License-Identifier: Apache-2.0
// An update rule is what an optimizer does to one weight: a type with
//   kName, kHelp     how a config names it, and a sentence for `precipice config`
//   kMoments         names of its state, one number a weight each, the first moment first; at most two
//   kDecay           where coupled weight decay enters
//   Rule(config, update)              this update's numbers, derived in double and rounded once to fp32
//   float step(g, moments) const      changes the moments (moments[0], moments[1]) and returns what the weight loses
//                                     beside decay; g is the clipped gradient; for host and device, in fp32
//   preconditioning(config, updates)  what the probe of the edge of stability needs, or nothing
// A new one is a file like lion.h and its name in optimizer_rules.h; docs/ADDING.md has the steps. UpdateBody
// (optim/multi_tensor/multi_tensor_functors.h) adds clipping and decay, and KahanBody compensated weights.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include "optim/rules/optimizer_config.h"
#include "precision/base/host_device.h"
#include "precision/format/float_format.h"

namespace precipice {

// What one update is made with, beside the config.
struct UpdateArgs {
  double lr = 0;                 // the schedule's factor times the peak
  double weight_decay = 0;       // coupled to lr; 0 for weights that do not decay
  double independent_decay = 0;  // outside the learning rate: p -= independent_decay * p (2309.14322: s_t * lambda)
  double grad_scale = 1;         // gradient clipping coefficient, applied as the gradient is read
  std::int64_t step = 1;         // number of the update, from 1
  // Weights kept in this format with Kahan compensation, in one more list k. With R its nearest-even rounding and d
  // what the update would add (decay included): u = R(k + d), p' = R(p + u), k = R(u + R(p - p')).
  std::optional<FloatFormat> kahan = {};
  // What OptimizerMachine::write_update() wrote of the same numbers, in the machine's memory, where kernels read it when they
  // run; null: they take those above.
  const void* there = nullptr;
};

enum class Decay {
  BesideStep,  // p -= lr * weight_decay * p, as AdamW
  InGradient,  // g += weight_decay * p before the step, as torch.optim.SGD
};

// An update of lr P^-1 d, d made of gradients as SGD's or Adam's first moment is: P, diagonal, and the curvature of
// P^-1 H times lr at which the rule becomes unstable. P = factor * (sqrt(second moment / correction) + eps), or 1.
struct Preconditioning {
  double threshold = 0;
  bool second_moment = false;
  double correction = 1, eps = 0, factor = 1;
};

}  // namespace precipice
