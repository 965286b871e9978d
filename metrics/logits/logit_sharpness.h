// SPDX-License-Identifier: Apache-2.0
// Last-token-logit sharpness: Keskar et al. 2017 (arXiv 1609.04836) metric 2.1 with f = cross-entropy as a function of
// the logits, A = I, as arXiv 2405.18710 uses it; here exact, in closed form. f is monotone in each logit, so its
// maximum over the box |dz_i| <= eps (|z_i| + 1) lies at the corner +eps (|z_i|+1) for i != t and -eps (|z_t|+1) for
// target t.
//   u = logsumexp_{i != t}(z_i - z_t),  b_i = eps (|z_i| + 1),  loss = softplus(u)
//   D = log sum_{i != t} q_i e^{b_i} + b_t   (q: softmax over the non-targets)
//   rise = log1p(sigmoid(u) expm1(D)),  sharpness = 100 rise / (1 + loss)
// in double and without cancellation: the error of D is a few 1e-16 max(1, |z|), that of the others relative to theirs.
// Adding one number to all logits of a token changes no loss, but it changes this box, so the published sharpness grows
// where log Z alone drifts. Centred sharpness takes the box around z - mean z, |dz_i| <= eps (|z_i - mean z| + 1), which
// no such shift moves.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metrics/log/series.h"

namespace precipice {

struct LogitSharpness {
  double loss = 0;       // nats
  double rise = 0;       // max over the box minus loss
  double sharpness = 0;  // 100 rise / (1 + loss)
};

// One token. logits: (V); V = 1 gives zeros (nothing can rise), as do non-targets that are all masked (-inf); masked
// non-targets stay out. A NaN or +inf logit, or a masked target, gives NaN in all three.
LogitSharpness logit_sharpness(std::span<const float> logits, std::int64_t target, double epsilon);
LogitSharpness logit_sharpness(std::span<const double> logits, std::int64_t target, double epsilon);

// Averages over a batch, both ways: they differ by up to 22 % and have two names.
struct SharpnessSummary {
  double mean_of_metrics = 0;  // mean over tokens of 100 rise / (1 + loss)
  double metric_of_mean = 0;   // 100 mean(rise) / (1 + mean(loss))
};
struct BatchSharpness {
  SharpnessSummary last_token;  // last position of each sequence
  SharpnessSummary all_tokens;
};
// logits: (batch, context, vocabulary) row-major, targets: (batch, context). One result per epsilon; they share the
// work that does not depend on it.
std::vector<BatchSharpness> batch_sharpness(std::span<const float> logits, std::span<const std::int64_t> targets,
                                            std::int64_t batch, std::int64_t context, std::int64_t vocabulary,
                                            std::span<const double> epsilons);

// Of a token's centred logits: z minus the mean of those that are not masked, each rounded to fp32 once; masked ones
// stay masked. `centred` has the size of `logits`.
void centre_logits(std::span<const float> logits, std::span<float> centred);

// The averages of tokens that come one by one, in the order of the batch.
class SharpnessMeans {
 public:
  SharpnessMeans(std::size_t epsilons, std::int64_t context) : context_(context), last_(epsilons), all_(epsilons) {}
  void add(std::span<const LogitSharpness> token);  // one for each epsilon
  std::vector<BatchSharpness> result() const;

 private:
  struct Mean {
    double loss = 0, rise = 0, sharpness = 0;
    std::int64_t count = 0;
    void add(const LogitSharpness& token);
    SharpnessSummary summary() const;
  };
  std::int64_t context_, tokens_ = 0;
  std::vector<Mean> last_, all_;
};

// max |z| and mean log Z (log-partition) over all tokens; NaN if any logit is NaN.
struct LogitStatistics {
  double max_logit = 0;
  double log_z = 0;
};
LogitStatistics logit_statistics(std::span<const float> logits, std::int64_t vocabulary);

// Group "sharpness" for the given epsilons: four series for each, last_token_eps1e-3, last_token_mean_loss_eps1e-3,
// all_tokens_eps1e-3, all_tokens_mean_loss_eps1e-3 (mean_loss: metric_of_mean). sharpness_values: their row.
// `what` begins their long names.
SeriesGroup sharpness_group(std::span<const double> epsilons, const std::string& name = "sharpness",
                            const std::string& what = "logit sharpness");
std::vector<double> sharpness_values(std::span<const BatchSharpness> sharpness);
// 0.001 as "1e-3": what stands in papers and is short.
std::string epsilon_name(double epsilon);

}  // namespace precipice
