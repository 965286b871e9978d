// SPDX-License-Identifier: Apache-2.0
// `sweep --shard I/N`: which share of a sweep's runs a process takes first, I from 0 to N - 1; `auto/N` takes I from what
// a cluster's scheduler puts into the environment. And the times of `--for`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace precipice {

inline constexpr std::int64_t kMaxShards = 100'000;

struct ShardIndex {
  std::int64_t index = 0, count = 1;
  std::string source{};  // the variable that the index came from; "" where it was given
  // Whether the run is of this shard's share: by its id, so that further values of an axis move no run to another.
  bool has(const std::string& run_id) const;
};
std::string to_string(const ShardIndex& shard);  // "3/8"

// As getenv(3): nothing where the variable is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

// Throws ConfigError of the parameter `shard` that says what is allowed, and for auto/N which variables were looked at.
ShardIndex parse_shard(const std::string& text, const Environment& environment = process_environment());

// "90", "90s", "50m", "1.5h" as seconds, above 0. Throws ConfigError of the parameter `for`.
double parse_budget(const std::string& text);

}  // namespace precipice
