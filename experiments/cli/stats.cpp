// SPDX-License-Identifier: Apache-2.0
// precipice stats: statistics of one's own numbers, from standard input.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "experiments/console/descriptor_io.h"
#include "experiments/statistics/stats_answer.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

std::string standard_input() {
  std::string text;
  std::array<char, 1 << 16> buffer{};
  while (const std::size_t count = read_some(STDIN_FILENO, buffer.data(), buffer.size())) {
    text.append(buffer.data(), count);
    if (text.size() > kMaxStatsBytes)
      throw DataError(fmt::format("standard input: more than {} MiB", kMaxStatsBytes >> 20));
  }
  return text;
}

}  // namespace

Command add_stats(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("stats", "Intervals and tests for counts, survival times and scores (JSON)");
  auto json = std::make_shared<bool>(false);
  parser->add_flag("--json", *json, "JSON in and out, the only form")->required();
  parser->footer(
      "Reads one JSON object from standard input; its parts are counts, survival, values, scores, lr_sensitivity,\n"
      "power, p_values, confidence, seed (docs/METRICS.md).\n"
      "Example:\n  echo '{\"counts\": [{\"name\": \"bf16\", \"events\": 18, \"trials\": 188},\n"
      "    {\"name\": \"tf32\", \"events\": 0, \"trials\": 70}]}' | precipice stats --json");
  return {parser, [json] {
            print_result(answer_statistics(standard_input()));
            return static_cast<int>(kSuccess);
          }};
}

}  // namespace precipice
