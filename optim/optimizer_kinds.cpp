// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer_kinds.h"

#include <algorithm>
#include <utility>

#include "precision/base/check.h"

namespace precipice {
namespace {

template <class... Rules>
std::list<OptimizerKind> kinds_of(RuleList<Rules...>) {
  return {optimizer_kind<Rules>()...};
}

std::list<OptimizerKind>& kinds() {
  static std::list<OptimizerKind> all = kinds_of(OptimizerRules{});
  return all;
}

}  // namespace

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const OptimizerKind& kind : kinds()) names.push_back(kind.name);
  return names;
}

std::string optimizer_help() {
  std::string help;
  for (const OptimizerKind& kind : kinds()) help += (help.empty() ? "" : "; ") + kind.name + ": " + kind.help;
  return help;
}

const OptimizerKind& find_optimizer(const std::string& name) {
  const auto found = std::ranges::find(kinds(), name, &OptimizerKind::name);
  if (found != kinds().end()) return *found;
  std::string allowed;
  for (const std::string& known : optimizer_names()) allowed += (allowed.empty() ? "" : ", ") + known;
  const std::string nearest = nearest_word(name, optimizer_names());
  throw ConfigError({.file = "", .line = 0, .key = "optimizer.kind", .value = name.substr(0, 60)},
                    "must be one of " + allowed + (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

AddedOptimizer::AddedOptimizer(OptimizerKind kind) {
  PRECIPICE_CHECK(std::ranges::find(kinds(), kind.name, &OptimizerKind::name) == kinds().end(), "two optimizers named ",
                  kind.name);
  place_ = kinds().insert(kinds().end(), std::move(kind));
}

AddedOptimizer::~AddedOptimizer() {
  kinds().erase(place_);
}

}  // namespace precipice
