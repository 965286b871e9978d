// SPDX-License-Identifier: Apache-2.0
// Shapes and numbers of a model's parameters, from its config alone.
#pragma once

#include <cstdint>

#include "train/config/run_config.h"

namespace precipice {

struct WeightShape {
  std::int64_t out = 0, in = 0;
  std::int64_t parameters = 0;  // that are multiplied as this one matrix
};
// What x is multiplied by at a site of a block that has weights: y (rows, out) = x (rows, in) w (out, in)^T.
WeightShape weight_at(const ModelConfig& model, SiteKind site);

struct ParameterCount {
  std::int64_t elements = 0;
  std::int64_t tensors = 0;
  std::int64_t gains = 0;  // tensors that are gains of norms
};
ParameterCount count_parameters(const ModelConfig& model, std::int64_t vocabulary);

}  // namespace precipice
