// SPDX-License-Identifier: Apache-2.0
// precipice pack and precipice unpack: finished runs of a sweep in one file instead of a directory each.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "experiments/sweep/pack.h"
#include "experiments/sweep/sweep_record.h"
#include "metrics/files/packed_runs.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

SweepRecord record_of_sweep(const std::string& directory) {
  if (auto record = read_record(directory)) return std::move(*record);
  throw ConfigError({directory, 0, "", ""}, "not a sweep directory: it has no sweep.toml");
}

int pack(const std::string& directory) {
  const SweepRecord record = record_of_sweep(directory);
  check_bundles(directory);
  std::vector<std::string> ids;
  for (const RecordedRun& run : record.runs) ids.push_back(run.id);
  const PackResult result = pack_runs(directory, ids);
  for (const std::string& why : result.stayed) print_result(fmt::format("not packed: {}\n", why));
  std::size_t packed = 0;
  for (const std::string& id : ids) packed += find_packed_run(std::filesystem::path(directory) / id).has_value();
  print_result(pack_line(result));
  print_result(fmt::format("{}: {} runs, {} packed\n", directory, ids.size(), packed));
  return result.stayed.empty() ? kSuccess : kSomeRunsFailed;
}

int unpack(const std::string& directory) {
  record_of_sweep(directory);
  const UnpackResult result = unpack_runs(directory);
  for (const std::string& why : result.kept) print_result(why + "\n");
  print_result(fmt::format("{}: {} runs have their directories back\n", directory, result.runs));
  return result.kept.empty() ? kSuccess : kBadData;
}

}  // namespace

Command add_pack(CLI::App& app) {
  auto directory = std::make_shared<std::string>();
  CLI::App* parser =
      app.add_subcommand("pack", "Put the finished runs of a sweep into one file, a zip archive without compression");
  parser->add_option("SWEEP", *directory, "Sweep directory")->required();
  parser->footer(
      "The bundle is SWEEP/packed/<host>.zip. A directory is removed once its run was read back from there, byte for "
      "byte;\n"
      "status, verify, merge, report and the other commands read packed runs as they read directories.\n"
      "Example:\n  precipice pack runs/fp8_vs_bf16");
  return {parser, [directory] { return pack(*directory); }};
}

Command add_unpack(CLI::App& app) {
  auto directory = std::make_shared<std::string>();
  CLI::App* parser = app.add_subcommand("unpack", "Give packed runs their directories back");
  parser->add_option("SWEEP", *directory, "Sweep directory")->required();
  parser->footer(
      "Exit code 4 where a bundle stays, being damaged or a directory being in the way.\n"
      "Example:\n  precipice unpack runs/fp8_vs_bf16");
  return {parser, [directory] { return unpack(*directory); }};
}

}  // namespace precipice
