// SPDX-License-Identifier: Apache-2.0
// Whoever opens run.h5 while it is published again and again sees one whole file or another: 1,000 opens, none torn.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/run_file.h"
#include "metrics/log/status_file.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

namespace precipice {
namespace {

// `steps` losses, all equal to their number, so that a reader knows which ones belong together.
std::string file_of(std::int64_t steps) {
  RunSeries series{{{"metrics", {{"train_loss", "nats", "loss"}}, {}}}, {}};
  for (std::int64_t step = 0; step < steps; ++step) series.rows.push_back({0, step, {static_cast<double>(steps)}});
  return build_run_file(series, {});
}

}  // namespace

TEST_CASE("a thousand opens of a run.h5 that is published all the while find whole files") {
  const TemporaryDirectory run;
  RunStatus status;
  publish_run_file(run.path(), file_of(1), status);
  const pid_t writer = fork();
  REQUIRE(writer >= 0);
  if (writer == 0) {
    for (std::int64_t steps = 2;; steps = steps % 5000 + 1) publish_run_file(run.path(), file_of(steps), status);
  }
  constexpr std::int64_t kOthers = 10;  // files that are to be seen at least; a disk may be slow to take them
  std::int64_t changes = 0, last = 1;
  for (int open = 0; open < 1000 || (changes <= kOthers && open < 1'000'000); ++open) {
    const Hdf5Reader file(run / "run.h5");
    const std::vector<double> losses = file.read_doubles("/metrics/train_loss");
    const auto steps = static_cast<std::int64_t>(losses.size());
    REQUIRE(std::vector<double>(losses.size(), static_cast<double>(steps)) == losses);
    REQUIRE(file.read_integers("/metrics/step").back() == steps - 1);
    changes += steps != last;
    last = steps;
  }
  kill(writer, SIGKILL);
  waitpid(writer, nullptr, 0);
  CHECK(changes > kOthers);
}

}  // namespace precipice
