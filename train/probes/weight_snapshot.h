// SPDX-License-Identifier: Apache-2.0
// Weights of a model kept aside while a probe moves them, and put back bit by bit.
#pragma once

#include <vector>

#include "train/model/model.h"

namespace precipice {

using TensorVector = std::vector<at::Tensor>;  // one a parameter, in the model's order

TensorVector copy_of_weights(const Model& model);
// The model's weights become base + factor * direction, in fp32.
void set_weights(const Model& model, const TensorVector& base);
void set_weights(const Model& model, const TensorVector& base, double factor, const TensorVector& direction);

// Sums over all parameters, in double.
double squared_norm(const TensorVector& tensors);
double inner_product(const TensorVector& a, const TensorVector& b);

}  // namespace precipice
