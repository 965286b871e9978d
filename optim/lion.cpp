// SPDX-License-Identifier: Apache-2.0
// Lion, one moment per weight (Chen et al., arXiv 2302.06675, algorithm 2). The paper's betas are 0.9 and 0.99 and its
// learning rates 3 to 10 times smaller than AdamW's, its decay larger by the same factor; the keys are shared with
// AdamW and keep AdamW's defaults.
#include "optim/optimizer.h"

namespace precipice {
namespace {

class Lion : public Optimizer {
 public:
  Lion(const OptimizerConfig& config, std::vector<Parameter> parameters, std::uint64_t seed)
      : Optimizer(config, std::move(parameters), seed, {"m."}) {}

 protected:
  UpdateNorms apply(const TensorLists& lists, const Update& update) override {
    LionArgs args;
    args.lr = update.lr;
    args.beta1 = config_.beta1;
    args.beta2 = config_.beta2;
    args.weight_decay = update.weight_decay;
    args.independent_decay = update.independent_decay;
    args.grad_scale = update.grad_scale;
    args.kahan = update.kahan;
    std::int32_t noop = 0;
    return multi_tensor_lion(kChunkSize, &noop, lists, args);
  }
};

}  // namespace

std::unique_ptr<Optimizer> make_lion(const OptimizerConfig& config, std::vector<Parameter> parameters,
                                     std::uint64_t seed) {
  return std::make_unique<Lion>(config, std::move(parameters), seed);
}

}  // namespace precipice
