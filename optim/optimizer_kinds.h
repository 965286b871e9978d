// SPDX-License-Identifier: Apache-2.0
// The optimizers that this process knows: those of optim/rules/optimizer_rules.h and what was added to them.
#pragma once

#include <cstdint>
#include <iterator>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "optim/multi_tensor/multi_tensor_update.h"
#include "optim/rules/update_rule.h"

namespace precipice {

struct OptimizerKind {
  std::string name;
  std::string help;                  // a sentence, for `precipice config`
  std::vector<std::string> moments;  // its state, one number a weight each, the first moment first
  // Update number `update.step` of lists {g, p, moments...}, with update.kahan {g, p, moments..., k}.
  UpdateNorms (*update)(const OptimizerConfig& config, const UpdateArgs& update, const TensorLists& lists);
  // After so many updates; nothing where the rule has none.
  std::optional<Preconditioning> (*preconditioning)(const OptimizerConfig& config, std::int64_t updates);
};

// The kind of an update rule. Chunks as in multi_tensor_update.
template <class Rule, class Chunks = CompiledChunks>
OptimizerKind optimizer_kind() {
  static_assert(kMomentsOf<Rule> <= 2, "the formats of optimizer.moment1 and optimizer.moment2 are all there are");
  return {Rule::kName, Rule::kHelp, std::vector<std::string>(std::begin(Rule::kMoments), std::end(Rule::kMoments)),
          multi_tensor_update<Rule, Chunks>, Rule::preconditioning};
}

std::vector<std::string> optimizer_names();
// "adamw: Adam with ...; lion: ..."
std::string optimizer_help();
// Throws ConfigError, which names those there are and suggests the nearest.
const OptimizerKind& find_optimizer(const std::string& name);

// As long as it lives, configs can name one optimizer more, whose name must be new. Made and destroyed while no other
// thread reads the list, destroyed after every Optimizer of the kind.
class AddedOptimizer {
 public:
  explicit AddedOptimizer(OptimizerKind kind);
  ~AddedOptimizer();
  AddedOptimizer(const AddedOptimizer&) = delete;
  AddedOptimizer& operator=(const AddedOptimizer&) = delete;

 private:
  std::list<OptimizerKind>::iterator place_;
};

}  // namespace precipice
