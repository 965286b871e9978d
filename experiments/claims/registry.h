// SPDX-License-Identifier: Apache-2.0
// DIR/claims.toml: the claims of a sweep as they stood when its runs began. A claim that is edited afterwards, or written
// afterwards, is judged all the same and marked so: it is no longer a prediction.
//   [[registered]] id = "ladder_e8m3", sha256 = "...", late = false     of the claim without `paper`; late: runs had begun
//     n = 4          pairs, where the sweep was begun with fewer seeds than the claim asks for (sweep --fewer-seeds)
//     looked_at = 4  pairs with which it could be judged before seeds were added: it is no longer confirmed by them
//   [[claim]] ...                                                       the claims as the sweep file has them now
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "experiments/claims/claim.h"

namespace precipice {

inline constexpr const char* kClaimsFileName = "claims.toml";

struct RegisteredClaim {
  Claim claim;
  bool changed = false;        // other text than when its runs began
  bool late = false;           // written when runs of the sweep had begun
  std::int64_t asked = 0;      // pairs that it asks for, where claim.n is fewer by the sweep's plan; 0: claim.n are
  std::int64_t looked_at = 0;  // pairs with which it could be judged before; 0: never
};

// Called before a sweep's runs are started; `begun`: whether any run of the directory has begun. Claims of earlier commands
// that are not among these stay. `planned`: pairs with which those that ask for more are judged. Throws OutputError,
// DataError.
void register_claims(const std::filesystem::path& directory, const std::vector<Claim>& claims, bool begun,
                     std::optional<std::int64_t> planned = {});

// Empty where the directory has no claims. Throws DataError where the file is damaged.
std::vector<RegisteredClaim> registered_claims(const std::filesystem::path& directory);

// Claims of another file beside what the directory has registered under the same ids: late where it has none.
std::vector<RegisteredClaim> compare_with_registered(const std::filesystem::path& directory,
                                                     const std::vector<Claim>& claims);

}  // namespace precipice
