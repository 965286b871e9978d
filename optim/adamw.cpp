// SPDX-License-Identifier: Apache-2.0
// AdamW over two moments per weight (arXiv 1711.05101).
#include "optim/optimizer.h"

namespace precipice {
namespace {

class AdamW : public Optimizer {
 public:
  AdamW(const OptimizerConfig& config, std::vector<Parameter> parameters)
      : Optimizer(config, std::move(parameters)),
        m_(zeros()),
        v_(zeros()),
        lists_{group_lists(false, {&m_, &v_}), group_lists(true, {&m_, &v_})} {}

  std::vector<std::pair<std::string, FloatSpan>> state() override {
    std::vector<std::pair<std::string, FloatSpan>> state;
    append_state(state, "m.", m_);
    append_state(state, "v.", v_);
    return state;
  }

 protected:
  UpdateNorms apply(bool decayed_group, double lr, double weight_decay, double independent_decay,
                    double grad_scale) override {
    AdamArgs args;
    args.lr = lr;
    args.beta1 = config_.beta1;
    args.beta2 = config_.beta2;
    args.eps = config_.eps;
    args.step = updates_;
    args.weight_decay = weight_decay;
    args.independent_decay = independent_decay;
    args.grad_scale = grad_scale;
    std::int32_t noop = 0;
    return multi_tensor_adam(kChunkSize, &noop, lists_[decayed_group], args);
  }

 private:
  Buffers m_, v_;
  TensorLists lists_[2];  // undecayed, decayed
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config, std::vector<Parameter> parameters) {
  return std::make_unique<AdamW>(config, std::move(parameters));
}

}  // namespace precipice
