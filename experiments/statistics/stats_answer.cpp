// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/stats_answer.h"

#include <limits>
#include <string>
#include <vector>

#include "experiments/statistics/stats_parts.h"

namespace precipice {
namespace {

constexpr std::size_t kMaxGroups = 100;

struct StatsPart {
  const char* name;
  Json (*answer)(const StatsInput& part, const StatsRequest& request);
};
constexpr StatsPart kStatsParts[] = {{"counts", answer_counts},
                                     {"survival", answer_survival},
                                     {"values", answer_values},
                                     {"scores", answer_scores},
                                     {"lr_sensitivity", answer_lr_sensitivity},
                                     {"power", answer_power},
                                     {"p_values", answer_p_values}};

void check_keys(const StatsInput& input) {
  std::vector<std::string> keys;
  for (const StatsPart& part : kStatsParts) keys.push_back(part.name);
  keys.insert(keys.end(), {"confidence", "seed"});
  input.allow_keys(keys);
}

}  // namespace

std::vector<std::string> names_of(const std::vector<StatsInput>& groups, const StatsInput& part) {
  if (groups.size() > kMaxGroups) part.refuse("at most 100 groups");
  std::vector<std::string> names;
  for (const StatsInput& group : groups)
    names.push_back(group.has("name") ? group.at("name").text() : std::to_string(names.size()));
  return names;
}

std::string answer_statistics(const std::string& text) {
  const Json json = StatsInput::parse(text);
  const StatsInput input(json, "");
  check_keys(input);
  StatsRequest request;
  if (input.has("confidence")) request.confidence = input.at("confidence").number(0.5, 0.9999);
  if (input.has("seed"))
    request.seed = static_cast<std::uint64_t>(input.at("seed").whole(0, std::numeric_limits<std::int64_t>::max()));
  Json answer = Json::object();
  answer["confidence"] = statistics_json(request.confidence);
  answer["seed"] = statistics_json(request.seed);
  for (const StatsPart& part : kStatsParts)
    if (input.has(part.name)) answer[part.name] = part.answer(input.at(part.name), request);
  return dump(answer);
}

}  // namespace precipice
