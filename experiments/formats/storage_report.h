// SPDX-License-Identifier: Apache-2.0
// How a run or a recipe keeps its weights, moments and gradients, and scales its loss, as text.
#pragma once

#include <string>

#include "optim/loss_scaler.h"
#include "optim/stored_format.h"

namespace precipice {

// What weights and moments take between two updates of an optimizer, by its name, in bytes per parameter. Gradients live
// from backward to update and are not counted, nor is the scale of a whole tensor.
double stored_bytes_per_parameter(const std::string& optimizer, const StoredFormats& formats);

// Five lines, each beginning with `indent`.
std::string storage_lines(const std::string& optimizer, const StoredFormats& formats, const LossScaleConfig& loss_scale,
                          const std::string& indent);

}  // namespace precipice
