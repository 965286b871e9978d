// SPDX-License-Identifier: Apache-2.0
// What people who wait see on a terminal, and that none of it gets among the results.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;

namespace {

// A pseudo-terminal, read from its other side while a shell command writes to its name.
class Terminal {
 public:
  Terminal() : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0) return;
    name_ = ptsname(master_);
    slave_ = open(name_.c_str(), O_RDWR | O_NOCTTY);  // held open, or the end of one writer would end all
  }
  ~Terminal() {
    if (slave_ >= 0) close(slave_);
    if (master_ >= 0) close(master_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  bool works() const { return slave_ >= 0; }

  // What the command wrote to "TERMINAL" in it.
  std::string run(std::string command) const {
    while (command.find("TERMINAL") != std::string::npos) command.replace(command.find("TERMINAL"), 8, name_);
    std::atomic<bool> over{false};
    int code = -1;
    std::thread shell([&] {
      code = std::system(command.c_str());
      over = true;
    });
    std::string text;
    for (bool last = false; !last;) {
      last = over;
      pollfd ready{master_, POLLIN, 0};
      char buffer[4096];
      while (poll(&ready, 1, 20) > 0 && (ready.revents & POLLIN) != 0) {
        const ssize_t size = read(master_, buffer, sizeof buffer);
        if (size <= 0) break;
        text.append(buffer, static_cast<std::size_t>(size));
      }
    }
    shell.join();
    CHECK(code == 0);
    return text;
  }

 private:
  int master_ = -1, slave_ = -1;
  std::string name_;
};

#define REQUIRE_TERMINAL(terminal)                        \
  if (!(terminal).works()) {                              \
    WARN("skipped: this machine has no pseudo-terminal"); \
    return;                                               \
  }

}  // namespace

TEST_CASE("a sweep on a terminal leaves a line for each run that ended", "[integration]") {
  const Terminal terminal;
  REQUIRE_TERMINAL(terminal);
  const Workplace place;
  const std::string text = terminal.run(program_path() + " sweep " + place.config() +
                                        " seed=3..4 train.steps=100 --out " + place.path("s") + " --jobs 1 > TERMINAL");
  CHECK(contains(text, "  3  done  step 100/100  loss "));
  CHECK(contains(text, "  4  done  step 100/100  loss "));
  CHECK(contains(text, "\r[0/2]"));

  const std::string watched = terminal.run(program_path() + " status --watch " + place.path("s") + " > TERMINAL");
  CHECK(contains(watched, "\x1b[H"));
  CHECK(contains(watched, "2 runs: 2 done"));
}

TEST_CASE("who waits for curvature, a landscape or a bisection sees it go on, and the result stays clean",
          "[integration]") {
  const Terminal terminal;
  REQUIRE_TERMINAL(terminal);
  const Workplace place;
  const std::string run = place.path("run"), out = place.path("out");
  REQUIRE(place.run({"train", place.config(), "--out", run, "--quiet"}).exit_code == 0);
  CHECK(contains(terminal.run(program_path() + " sharpness " + run + " --kind hessian --batches 1 --json > " + out +
                              " 2> TERMINAL"),
                 "hessian, "));
  CHECK(nlohmann::json::parse(text_of(out)).contains("hessian"));
  CHECK(contains(terminal.run(program_path() + " landscape " + run + " --grid 101x101 --batches 1 --out " +
                              place.path("l.h5") + " > " + out + " 2> TERMINAL"),
                 "/10201]"));
  CHECK(count_lines(text_of(out)) == 1);
  CHECK(contains(terminal.run(program_path() + " bisect " + run + " --from 15 --json > " + out + " 2> TERMINAL"),
                 "replays"));
  CHECK(nlohmann::json::parse(text_of(out)).is_object());
}
