// SPDX-License-Identifier: Apache-2.0
// `precipice label`: what each rule of metrics/labels says of each run of a sweep.
#pragma once

#include <string>

#include "experiments/statistics/statistics_json.h"
#include "experiments/statistics/sweep_data.h"

namespace precipice {

// `rule`: a name of label_rules(), or "all". Throws ConfigError naming the nearest rule.
Json label_report(const SweepData& data, const std::string& rule);
std::string labels_text(const Json& report);

}  // namespace precipice
