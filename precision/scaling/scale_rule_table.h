// SPDX-License-Identifier: Apache-2.0
// The scale rules as users see them: the rows of the table in scale_rules.cpp, which has their formulas.
#pragma once

#include <vector>

#include "precision/scaling/quantizer.h"

namespace precipice {

struct ScaleRuleInfo {
  ScaleRule rule;
  const char* name;
  const char* help;      // the scale in a few words
  bool is_e8m0 = false;  // powers of two from 2^-127 to 2^127, for blocks alone; mxfp8-NAME is mxfp8:rule=NAME
};

std::vector<ScaleRuleInfo> scale_rules();
bool is_e8m0(ScaleRule rule);

}  // namespace precipice
