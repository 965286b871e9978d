// SPDX-License-Identifier: Apache-2.0
// The logit sharpness as arXiv 2405.18710 measured it: its maximum looked for by 10 iterations of box-constrained
// L-BFGS (Keskar et al. 2017, arXiv 1609.04836), where logit_sharpness.h has it exactly. What is found is a lower bound
// of the exact value, and how much of it is found depends on the logits: a rise of the published curve may be that of
// the optimizer's success. With a random subspace z + A u (metrics/curvature/random_subspace.h) the set is another one,
// no closed form holds, and the value may lie on either side of the exact one of the whole box.
// The optimizer is NLopt's LD_LBFGS (Luksan's PLIS) from the box's centre with 10 corrections. NLopt counts evaluations
// of loss and gradient: 1 at the centre and as a rule one an iteration, so `iterations` of them are 1 + iterations
// evaluations, and fewer iterations where a line search needs more than one. No tolerance ends it earlier.
#pragma once

#include "metrics/curvature/random_subspace.h"
#include "metrics/logits/logit_sharpness.h"

namespace precipice {

inline constexpr int kAscentIterations = 10;

struct LogitAscent {
  LogitSharpness found;  // of the highest point evaluated, which lies in the box
  int evaluations = 0;   // of loss and gradient; 0 where nothing can rise
};

// As logit_sharpness in what is undefined or zero. `subspace` of the logits' size, or null for the whole space; masked
// logits (-inf) never move and count as 0 in A^+ z.
LogitAscent ascend_logits(std::span<const float> logits, std::int64_t target, double epsilon,
                          const RandomSubspace* subspace = nullptr, int iterations = kAscentIterations);
LogitAscent ascend_logits(std::span<const double> logits, std::int64_t target, double epsilon,
                          const RandomSubspace* subspace = nullptr, int iterations = kAscentIterations);

// Over the last position of each sequence of a batch: what the optimizer finds, the exact values of the same tokens,
// and found over exact, of the means; NaN with a subspace and where the exact value is 0.
struct BatchAscent {
  SharpnessSummary found, exact;
  double fraction = 0;
  double evaluations = 0;  // mean over tokens
};
// As batch_sharpness; one result per epsilon.
std::vector<BatchAscent> last_token_ascent(std::span<const float> logits, std::span<const std::int64_t> targets,
                                           std::int64_t batch, std::int64_t context, std::int64_t vocabulary,
                                           std::span<const double> epsilons, const RandomSubspace* subspace);

// Group "lbfgs": for each epsilon last_token_eps1e-3, last_token_mean_loss_eps1e-3, exact_last_token_eps1e-3,
// fraction_eps1e-3, evaluations_eps1e-3. `subspace`: its dimension, 0: none.
SeriesGroup ascent_group(std::span<const double> epsilons, std::int64_t subspace);
std::vector<double> ascent_values(std::span<const BatchAscent> ascents);

// A of the logits' box: the same in every run.
RandomSubspace logit_subspace(std::int64_t vocabulary, std::int64_t dimension, std::uint64_t seed = 0);

}  // namespace precipice
