// SPDX-License-Identifier: Apache-2.0
// `precipice claims`: judged claims as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "experiments/claims/judge.h"
#include "experiments/claims/registry.h"
#include "experiments/console/json_fields.h"

namespace precipice {

struct ClaimsReport {
  std::string directory, command;
  std::vector<RegisteredClaim> registered;
  std::vector<JudgedClaim> judged;  // in the same order
};

ClaimsReport claims_report(const SweepData& data, const std::vector<RegisteredClaim>& claims);

std::string to_text(const ClaimsReport& report);
Json to_json(const ClaimsReport& report);

// What can be said before any run: claims whose test cannot be significant with their n in their family.
std::vector<std::string> undecidable_claims(const std::vector<Claim>& claims);

}  // namespace precipice
