// SPDX-License-Identifier: Apache-2.0
// Episodes (spikes, jumps) per step of two formats on the same seeds, compared by the ratio of their rates.
// Given a seed's total n_s, the first format's count is binomial with pi_s = rho T_s / (rho T_s + U_s), T and U the steps
// at which each could be judged and rho the ratio, whatever the seed's own rate: the sum over seeds has no nuisance
// parameter (Przyborowski and Wilenski 1940; stratified as in Breslow and Day 1987, section 3.6).
//   p of rho = 1: twice the smaller tail of that sum, at most 1; interval: the rho whose tails are alpha / 2, exact
//   clumping: chi^2 = sum over seeds of (a_s - n_s pi_s)^2 / (n_s pi_s (1 - pi_s)) at the fitted rho, seeds with n_s > 0
//     less one degrees of freedom. Spikes that come in clumps scatter more than a Poisson process, and the exact interval
//     is then too narrow.
//   by seeds: rho of the totals, with the delete-one-seed jackknife of log rho and Student's t (Efron 1982); it asks
//     for nothing about the spread within a seed
#pragma once

#include <cstdint>
#include <span>

#include "metrics/statistics/distributions.h"

namespace precipice {

struct PairedEpisodes {
  std::int64_t first = 0, second = 0;        // episodes
  double first_steps = 0, second_steps = 0;  // steps that the rule could judge; positive
};

struct RateRatio {
  double ratio = 0;         // of the exact method: the conditional maximum likelihood; NaN without any episode
  Interval interval;        // exact; [0, inf] without any episode
  double p = 1;             // exact, two-sided
  double clumping_p = 1;    // small: more scatter between seeds than the exact interval allows; NaN for under two seeds
  bool is_clumped = false;  // clumping_p < 0.05
  double ratio_by_seeds = 0;  // NaN where a format has no episode once a seed is left out
  Interval by_seeds;
  double p_by_seeds = 1;
};
RateRatio rate_ratio(std::span<const PairedEpisodes> seeds, double confidence = kConfidence);

}  // namespace precipice
