// SPDX-License-Identifier: Apache-2.0
// How the matmuls of a training step will be multiplied on this CPU, known before the run begins: for `--dry-run`. A
// step at which a probe looks at attention's operands makes those products one by one instead of head by head.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "precision/policy/policy.h"
#include "train/config/run_config.h"

namespace precipice {

// The kinds of a site's products, in the order of kAllPasses.
using SiteProducts = std::array<ProductKind, 3>;

// For each site of the policy, which is one of the config's schedule. They hold as far as expected_product() does.
std::vector<SiteProducts> planned_products(const RunConfig& config, const PrecisionPolicy& policy);

// A line for each group of sites that are alike: "attn.qkv mlp.up: bf16". Sites that are alike in all layers go by their
// kind, others by their names.
std::string describe_products(const RunConfig& config, const PrecisionPolicy& policy, const std::string& indent);

}  // namespace precipice
