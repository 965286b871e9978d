// SPDX-License-Identifier: Apache-2.0
// AdamW over two moments per weight (arXiv 1711.05101).
#include "optim/optimizer.h"

namespace precipice {
namespace {

class AdamW : public Optimizer {
 public:
  AdamW(const OptimizerConfig& config, std::vector<Parameter> parameters, std::uint64_t seed)
      : Optimizer(config, std::move(parameters), seed, {"m.", "v."}) {}

 protected:
  UpdateNorms apply(const TensorLists& lists, const Update& update) override {
    AdamArgs args;
    args.lr = update.lr;
    args.beta1 = config_.beta1;
    args.beta2 = config_.beta2;
    args.eps = config_.eps;
    args.step = updates_;
    args.weight_decay = update.weight_decay;
    args.independent_decay = update.independent_decay;
    args.grad_scale = update.grad_scale;
    args.kahan = update.kahan;
    std::int32_t noop = 0;
    return multi_tensor_adam(kChunkSize, &noop, lists, args);
  }
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config, std::vector<Parameter> parameters,
                                      std::uint64_t seed) {
  return std::make_unique<AdamW>(config, std::move(parameters), seed);
}

}  // namespace precipice
