// SPDX-License-Identifier: Apache-2.0
// SGD with heavy-ball or Nesterov momentum; coupled weight decay is L2, in the gradient before momentum, as in
// torch.optim.SGD.
#include "optim/optimizer.h"

namespace precipice {
namespace {

class Sgd : public Optimizer {
 public:
  Sgd(const OptimizerConfig& config, std::vector<Parameter> parameters, std::uint64_t seed)
      : Optimizer(config, std::move(parameters), seed, {"momentum."}) {}

 protected:
  UpdateNorms apply(const TensorLists& lists, const Update& update) override {
    SgdArgs args;
    args.lr = update.lr;
    args.momentum = config_.momentum;
    args.weight_decay = update.weight_decay;
    args.independent_decay = update.independent_decay;
    args.grad_scale = update.grad_scale;
    args.nesterov = config_.nesterov;
    args.first_run = updates_ == 1;
    args.kahan = update.kahan;
    std::int32_t noop = 0;
    return multi_tensor_sgd(kChunkSize, &noop, lists, args);
  }
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config, std::vector<Parameter> parameters,
                                    std::uint64_t seed) {
  return std::make_unique<Sgd>(config, std::move(parameters), seed);
}

}  // namespace precipice
