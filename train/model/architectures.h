// SPDX-License-Identifier: Apache-2.0
// Models by the name of their architecture. Adding one takes three files: the model, which ends with its maker; a row in
// architectures.cpp here; a row in train/config/architecture.cpp with all that is known without a model. There are two
// tables since configs and recipes, which need the second, know no models.
#pragma once

#include <cstdint>
#include <memory>

#include "train/model/model.h"

namespace precipice {

// Makes a model with initial weights from `init`.
using MakeModel = std::unique_ptr<Model>(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary,
                                         PrecisionSchedule schedule);

// The model of config.kind.
std::unique_ptr<Model> make_model(const ModelConfig& config, const InitConfig& init, std::int64_t vocabulary,
                                  PrecisionSchedule schedule);

// An architecture beside those of the tables, for as long as this object lives: from an outside program, or a test. No
// config is read meanwhile by another thread, and those that name it end before it does; the one added last goes first.
class AddedArchitecture {
 public:
  AddedArchitecture(Architecture architecture, MakeModel* make);
  ~AddedArchitecture();
  AddedArchitecture(const AddedArchitecture&) = delete;
  AddedArchitecture& operator=(const AddedArchitecture&) = delete;
};

}  // namespace precipice
