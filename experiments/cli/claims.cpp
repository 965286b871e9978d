// SPDX-License-Identifier: Apache-2.0
// precipice claims: the claims of a sweep, judged from its stored files.
#include <memory>

#include "experiments/claims/claims_report.h"
#include "experiments/cli/commands.h"
#include "experiments/console/console.h"
#include "experiments/statistics/summaries.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

struct ClaimsArguments {
  std::string directory, from;
  bool json = false;
};

int judge(const ClaimsArguments& options) {
  const std::vector<RegisteredClaim> claims =
      options.from.empty() ? registered_claims(options.directory)
                           : compare_with_registered(options.directory, read_claims(options.from));
  const SweepData data = read_sweep_data(options.directory, "", SeriesChoice::Values, groups_for(claims));
  if (claims.empty())
    throw ConfigError(options.from.empty()
                          ? options.directory +
                                " has no claims: its sweep file had no [[claim]] when it ran; --from FILE "
                                "reads them from a file (docs/CLAIMS.md)"
                          : options.from + " has no [[claim]]");
  const ClaimsReport report = claims_report(data, claims);
  print_result(options.json ? dump(to_json(report)) : to_text(report));
  return kSuccess;
}

}  // namespace

Command add_claims(CLI::App& app) {
  auto options = std::make_shared<ClaimsArguments>();
  CLI::App* parser =
      app.add_subcommand("claims", "Judge the claims of a sweep: reproduced, equivalent, undecided, ...");
  parser->add_option("SWEEP", options->directory, "Sweep directory")->required();
  parser->add_option("--from", options->from,
                     "Judge the [[claim]] tables of this file instead of those that the sweep began with");
  parser->add_flag("--json", options->json, "As JSON");
  parser->footer(
      "Claims are [[claim]] tables in a sweep's file: docs/CLAIMS.md. Example:\n  precipice claims runs/ladder");
  return {parser, [options] { return judge(*options); }};
}

}  // namespace precipice
