// SPDX-License-Identifier: Apache-2.0
// Optimizers over fp32 master weights: AdamW (arXiv 1711.05101) and SGD with momentum, through the multi-tensor
// kernels. Two groups as in nanoGPT: matrices and embeddings decay, vectors (biases, LayerNorm) do not. Weight decay:
// "coupled" to the learning rate, p -= lr (u + wd p), as torch.optim.AdamW; or "independent" of it, p -= s_t (lr u + wd
// p) with the schedule's factor s_t (arXiv 2309.14322).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "optim/multi_tensor.h"

namespace precipice {

struct OptimizerConfig {
  std::string kind = "adamw";  // adamw | sgd
  double lr = 1e-3;            // peak learning rate
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
  std::string decay = "coupled";  // coupled | independent
  double momentum = 0.9;          // sgd
  bool nesterov = false;          // sgd
  double clip_norm = 1.0;         // global gradient norm; 0 = no clipping
};

// Spans of equal size into memory that outlives the optimizer and does not move.
struct Parameter {
  std::string name;
  FloatSpan value;
  FloatSpan grad;
  bool decay = false;
};

struct GradStats {
  bool finite = true;
  double norm = 0;  // global L2 norm after unscaling, before clipping
};

struct UpdateStats {
  double param_norm = 0;    // before the update
  double update_ratio = 0;  // |update| / |weights|; NaN when the weights are all zero
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // grad *= 1 / loss_scale in place, checked for finiteness and normed in the same pass.
  GradStats unscale(double loss_scale);
  // One update. factor: the schedule's value for this step; grad_norm: from unscale(). Gradients are clipped as by
  // torch.nn.utils.clip_grad_norm_, times min(1, clip_norm / (norm + 1e-6)); a NaN norm makes every weight NaN.
  UpdateStats step(double factor, double grad_norm);
  // Named state for checkpoints ("m.<parameter>", ...) and the number of updates made.
  virtual std::vector<std::pair<std::string, FloatSpan>> state() = 0;
  std::int64_t updates() const { return updates_; }
  void set_updates(std::int64_t updates) { updates_ = updates; }

 protected:
  // One zeroed buffer per parameter.
  using Buffers = std::vector<std::vector<float>>;

  Optimizer(const OptimizerConfig& config, std::vector<Parameter> parameters);
  // Update number updates_ of one group; weight_decay is coupled to lr.
  virtual UpdateNorms apply(bool decayed_group, double lr, double weight_decay, double independent_decay,
                            double grad_scale) = 0;
  Buffers zeros() const;
  // {grad, value, buffers...} of a group, as the kernels take them.
  TensorLists group_lists(bool decayed_group, const std::vector<Buffers*>& buffers) const;
  void append_state(std::vector<std::pair<std::string, FloatSpan>>& state, const std::string& prefix,
                    Buffers& buffers) const;

  OptimizerConfig config_;
  std::vector<Parameter> parameters_;
  std::int64_t updates_ = 0;

 private:
  bool coupled_decay_;
};

// Throws ConfigError for an unknown kind or decay.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, std::vector<Parameter> parameters);
std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config, std::vector<Parameter> parameters);
std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config, std::vector<Parameter> parameters);

}  // namespace precipice
