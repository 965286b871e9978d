// SPDX-License-Identifier: Apache-2.0
// `precipice claims`: judged claims as text and as JSON.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "experiments/claims/judge.h"
#include "experiments/claims/registry.h"
#include "experiments/console/json_fields.h"
#include "experiments/index/sweep_index.h"

namespace precipice {

struct ClaimsReport {
  std::string directory, command;
  std::vector<RegisteredClaim> registered;
  std::vector<JudgedClaim> judged;  // in the same order
};

ClaimsReport claims_report(const SweepData& data, const std::vector<RegisteredClaim>& claims);

std::string to_text(const ClaimsReport& report);
Json to_json(const ClaimsReport& report);

// The same as columns of index.h5, one row per claim: /claims/{id, verdict, n, effect, ...}.
std::vector<IndexColumn> index_columns(const ClaimsReport& report);

// The groups of series that must be read to judge them, statistics_groups() among them; empty: all groups.
std::set<std::string> groups_for(const std::vector<RegisteredClaim>& claims);

// The verdicts of what the directory has registered; nothing where it has no claims. Throws DataError.
std::optional<ClaimsReport> registered_report(const SweepData& data);

// What can be said before any run: claims whose test cannot be significant with their n in their family.
std::vector<std::string> undecidable_claims(const std::vector<Claim>& claims);
// And those that cannot be judged by these runs, when all have ended.
std::vector<std::string> unjudgeable_claims(const SweepData& planned, const std::vector<Claim>& claims);

}  // namespace precipice
