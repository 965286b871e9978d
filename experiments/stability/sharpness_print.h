// SPDX-License-Identifier: Apache-2.0
// A sharpness report as JSON with stable keys and as text for people. An undefined number is null in JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "experiments/stability/sharpness_report.h"

namespace precipice {

nlohmann::ordered_json sharpness_json(const SharpnessReport& report);
std::string sharpness_text(const SharpnessReport& report);

}  // namespace precipice
