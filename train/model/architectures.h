// SPDX-License-Identifier: Apache-2.0
// The models by name, and what is known of each without making it.
#pragma once

#include <cstdint>
#include <memory>

#include "train/model/model.h"

namespace precipice {

// The architecture of config.kind with initial weights from `init`.
std::unique_ptr<Model> make_model(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary,
                                  PrecisionSchedule schedule);

// Number of parameters of a config, without making a model.
std::int64_t count_parameters(const ModelConfig& config, std::int64_t vocabulary);

}  // namespace precipice
