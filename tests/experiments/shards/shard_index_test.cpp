// SPDX-License-Identifier: Apache-2.0
#include "experiments/shards/shard_index.h"

#include <map>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

Environment variables(const std::map<std::string, std::string>& values) {
  return [values](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

std::string refusal(const std::string& text, const std::map<std::string, std::string>& values = {}) {
  try {
    parse_shard(text, variables(values));
  } catch (const ConfigError& error) {
    CHECK(error.where().key == "shard");
    return error.problem();
  }
  return "";
}

}  // namespace

TEST_CASE("a shard is I/N with I from 0 to N-1", "[shards]") {
  for (const char* text : {"0/1", "3/8", "99999/100000"}) CHECK(to_string(parse_shard(text)) == text);
  for (const char* text : {"", "3", "/", "3/", "/8", "x/8", "3/x", "3/0", "3/-1", "0/100001", "1.5/8", "3/8/2", "auto",
                           " 3/8", "3/8 ", "auto/"})
    CHECK(contains(refusal(text), "must be I/N or auto/N"));
  CHECK(refusal("8/8") == "the index of one of 8 shards is 0 to 7");
  CHECK(refusal("-1/8") == "the index of one of 8 shards is 0 to 7");
}

TEST_CASE("auto takes the index of the first variable that is set, counted as its scheduler counts", "[shards]") {
  const auto index = [](const std::map<std::string, std::string>& values) {
    return parse_shard("auto/8", variables(values)).index;
  };
  CHECK(index({{"SLURM_ARRAY_TASK_ID", "3"}, {"SLURM_ARRAY_TASK_MIN", "0"}}) == 3);
  CHECK(index({{"SLURM_ARRAY_TASK_ID", "3"}, {"SLURM_ARRAY_TASK_MIN", "1"}}) == 2);
  CHECK(index({{"SLURM_ARRAY_TASK_ID", "3"}}) == 3);
  CHECK(index({{"JOB_COMPLETION_INDEX", "7"}}) == 7);
  CHECK(index({{"HQ_TASK_ID", "0"}}) == 0);
  CHECK(index({{"PBS_ARRAY_INDEX", "5"}}) == 5);
  CHECK(index({{"SGE_TASK_ID", "1"}}) == 0);
  CHECK(index({{"SGE_TASK_ID", "11"}, {"SGE_TASK_FIRST", "10"}}) == 1);
  CHECK(index({{"SGE_TASK_ID", "undefined"}, {"PMI_RANK", "4"}}) == 4);
  CHECK(index({{"OMPI_COMM_WORLD_RANK", "6"}, {"PMI_RANK", "4"}}) == 6);
  CHECK(index({{"SLURM_ARRAY_TASK_ID", "1"}, {"PMI_RANK", "4"}}) == 1);
  CHECK(parse_shard("auto/8", variables({{"PMI_RANK", "4"}})).source == "PMI_RANK");
}

TEST_CASE("an environment without a task, or with one that does not fit, says what was looked at", "[shards]") {
  CHECK(contains(refusal("auto/8"), "no variable says which task this is; looked at SLURM_ARRAY_TASK_ID "));
  CHECK(
      contains(refusal("auto/8", {{"HQ_TASK_ID", "8"}}),
               "HQ_TASK_ID is 8, counted from 0: the index must be 0 to 7; make an array of 8 tasks, numbered 0 to 7"));
  CHECK(contains(refusal("auto/8", {{"SGE_TASK_ID", "9"}}), "numbered 1 to 8"));
  CHECK(contains(refusal("auto/8", {{"SLURM_ARRAY_TASK_ID", "9"}, {"SLURM_ARRAY_TASK_MIN", "1"}}),
                 "counted from SLURM_ARRAY_TASK_MIN = 1"));
  CHECK(contains(refusal("auto/8", {{"PBS_ARRAY_INDEX", "x"}}), "PBS_ARRAY_INDEX is \"x\", which is no whole number"));
}

TEST_CASE("every run is of exactly one share, and further runs move none", "[shards]") {
  for (const std::int64_t count : {1, 3, 8}) {
    std::map<std::int64_t, int> sizes;
    for (int run = 0; run < 2000; ++run) {
      char id[16];
      std::snprintf(id, sizeof id, "%08xab", static_cast<unsigned>(run) * 2654435761u);
      int owners = 0;
      for (std::int64_t i = 0; i < count; ++i)
        if (ShardIndex{i, count}.has(id)) ++owners, ++sizes[i];
      REQUIRE(owners == 1);
    }
    // Within five deviations of the binomial distribution.
    for (const auto& [index, size] : sizes)
      CHECK(std::abs(size - 2000.0 / static_cast<double>(count)) < 5 * std::sqrt(2000.0 / static_cast<double>(count)));
  }
}

TEST_CASE("a budget is a time above zero in seconds, minutes or hours", "[shards]") {
  CHECK(parse_budget("90") == 90);
  CHECK(parse_budget("90s") == 90);
  CHECK(parse_budget("50m") == 3000);
  CHECK(parse_budget("1.5h") == 5400);
  for (const char* text : {"", "m", "0", "0h", "-5m", "5d", "5 m", "1e999h", "50min", "inf", "nan"})
    CHECK_THROWS_AS(parse_budget(text), ConfigError);
}
