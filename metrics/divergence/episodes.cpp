// SPDX-License-Identifier: Apache-2.0
#include "metrics/divergence/episodes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "metrics/divergence/rules.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

struct EpisodeRule {
  const char* name;
  labels::Spikes (*find)(std::span<const double> loss);
  std::int64_t gap;  // steps
};
constexpr EpisodeRule kEpisodeRules[]{{"jump", labels::jump_spikes, kEpisodeGap},
                                      {"olmo2", labels::olmo2_spikes, kEpisodeGap},
                                      {"olmo-core", labels::monitor_spikes, kEpisodeGap},
                                      {"llm.c", labels::llm_c_spikes, kEpisodeGap},
                                      {"palm", labels::monitor_spikes, labels::kPalmSkipped}};

}  // namespace

std::vector<std::string> episode_rules() {
  std::vector<std::string> names;
  for (const EpisodeRule& rule : kEpisodeRules) names.emplace_back(rule.name);
  return names;
}

Episodes find_episodes(const std::string& rule, const LabelInput& input) {
  for (const EpisodeRule& known : kEpisodeRules) {
    if (rule != known.name) continue;
    const labels::Spikes spikes = known.find(input.loss);
    Episodes episodes{{}, static_cast<std::int64_t>(spikes.judged), 0};
    episodes.blind = static_cast<std::int64_t>(input.loss.size()) - episodes.judged;
    std::int64_t last = 0;
    for (const std::size_t row : spikes.rows) {
      const std::int64_t step = input.steps[row];
      if (episodes.steps.empty() || step - last > known.gap) episodes.steps.push_back(step);
      last = step;
    }
    return episodes;
  }
  throw ConfigError({"", 0, "rule", rule},
                    fmt::format("the rules with episodes are {}", fmt::join(episode_rules(), ", ")));
}

}  // namespace precipice
