// SPDX-License-Identifier: Apache-2.0
// SGD with heavy-ball or Nesterov momentum; coupled weight decay is L2, in the gradient before momentum, as in
// torch.optim.SGD.
#include "optim/optimizer.h"

namespace precipice {
namespace {

class Sgd : public Optimizer {
 public:
  Sgd(const OptimizerConfig& config, std::vector<Parameter> parameters)
      : Optimizer(config, std::move(parameters)),
        momentum_(zeros()),
        lists_{group_lists(false, {&momentum_}), group_lists(true, {&momentum_})} {}

  std::vector<std::pair<std::string, FloatSpan>> state() override {
    std::vector<std::pair<std::string, FloatSpan>> state;
    append_state(state, "momentum.", momentum_);
    return state;
  }

 protected:
  UpdateNorms apply(bool decayed_group, double lr, double weight_decay, double independent_decay,
                    double grad_scale) override {
    SgdArgs args;
    args.lr = lr;
    args.momentum = config_.momentum;
    args.weight_decay = weight_decay;
    args.independent_decay = independent_decay;
    args.grad_scale = grad_scale;
    args.nesterov = config_.nesterov;
    args.first_run = updates_ == 1;
    std::int32_t noop = 0;
    return multi_tensor_sgd(kChunkSize, &noop, lists_[decayed_group], args);
  }

 private:
  Buffers momentum_;
  TensorLists lists_[2];  // undecayed, decayed
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config, std::vector<Parameter> parameters) {
  return std::make_unique<Sgd>(config, std::move(parameters));
}

}  // namespace precipice
