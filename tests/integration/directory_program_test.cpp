// SPDX-License-Identifier: Apache-2.0
// Directories that are moved or deleted under a run, killed in the wrong moment, or made by somebody who means ill, as
// the user of the program meets them.
#include <sys/stat.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <regex>

#include "metrics/log/status_file.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"

using namespace precipice;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> long_run(const Workplace& place, const std::string& out) {
  return {"train", place.config(),  "train.steps=2000", "train.checkpoint_every=40",
          "--out", place.path(out), "--quiet"};
}

// Nothing that a terminal takes for a command: no control but the line feed, in 7 or 8 bits or in UTF-8, no mark of
// direction.
bool is_harmless(const std::string& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\n') || c == 0x7f) return false;
    if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) return false;
  }
  return !contains(text, "\xe2\x80\xae");
}

const std::string kEvil =
    "\x1b]0;owned\x07\r\x1b[2J\xc2\x9b"
    "31m\xe2\x80\xae"
    "evil";

}  // namespace

TEST_CASE("a run whose directory is moved ends with exit code 5, and the next run of that name is left alone",
          "[integration]") {
  Workplace place;
  const fs::path run = place.path("run"), moved = place.path("moved");
  const std::vector<std::string> other{"train", place.config(), "seed=1", "--quiet", "--out", run.string()};
  RunningProgram program(place.dir.path(), long_run(place, "run"));
  REQUIRE(wait_for_size(run / "metrics.jnl", 20'000));
  program.send(SIGSTOP);
  fs::rename(run, moved);
  fs::create_directory(place.path("second"));
  REQUIRE(RunningProgram(place.path("second"), other).wait().exit_code == 0);
  const auto others = snapshot(run);
  program.send(SIGCONT);
  const ProgramResult result = program.wait();
  CHECK(result.exit_code == 5);
  CHECK(count_lines(result.err) == 1);
  CHECK(contains(result.err, "precipice: error: " + run.string() + ": the directory was moved"));
  CHECK(snapshot(run) == others);
  CHECK(place.run({"verify", run.string()}).exit_code == 0);
  CHECK(place.run({"verify", moved.string()}).exit_code == 0);
}

TEST_CASE("a run whose directory is deleted ends with exit code 5 and makes none", "[integration]") {
  Workplace place;
  RunningProgram program(place.dir.path(), long_run(place, "run"));
  REQUIRE(wait_for_size(place.path("run/metrics.jnl"), 20'000));
  program.send(SIGSTOP);
  fs::remove_all(place.path("run"));
  program.send(SIGCONT);
  const ProgramResult result = program.wait();
  CHECK(result.exit_code == 5);
  // The stop may fall into a write that is under way, whose own error comes first.
  CAPTURE(result.err);
  CHECK((contains(result.err, "the directory was moved or deleted") ||
         contains(result.err, "No such file or directory")));
  CHECK_FALSE(fs::exists(place.path("run")));
}

TEST_CASE("after a kill before the end was written down, status and result line say the loss of the last step",
          "[integration]") {
  Workplace place;
  const std::vector<std::string> train{"train", place.config(), "--quiet", "--out", place.path("run")};
  const ProgramResult whole = place.run(train);
  REQUIRE(whole.exit_code == 0);
  const double loss = read_status(fs::path(place.path("run")) / kStatusFileName)->final_loss;
  RunStatus old = *read_status(fs::path(place.path("run")) / kStatusFileName);
  old.state = RunState::Running;
  old.final_loss = 99;
  old.step = 3;
  old.pid = 0;
  write_status(fs::path(place.path("run")), old);
  const ProgramResult again = place.run(train);
  CHECK(again.out == whole.out);
  CHECK(contains(place.run({"status", place.path("run")}).out, "untrained  20/20"));
  const ProgramResult json = place.run({"status", "--json", place.path("run")});
  CHECK(nlohmann::json::parse(json.out)["runs"][0]["loss"] == loss);
}

TEST_CASE("another run's status does not make an interrupted run done", "[integration]") {
  Workplace place;
  REQUIRE(place.run({"train", place.config(), "seed=1", "--quiet", "--out", place.path("other")}).exit_code == 0);
  const std::vector<std::string> train{"train",   place.config(), "train.steps=400",
                                       "--quiet", "--out",        place.path("run")};
  {
    RunningProgram program(place.dir.path(), train);
    REQUIRE(wait_for_size(place.path("run/metrics.jnl"), 20'000));
    program.send(SIGTERM);
    REQUIRE(program.wait().exit_code == 143);
  }
  fs::copy_file(place.path("other/status.json"), place.path("run/status.json"), fs::copy_options::overwrite_existing);
  const ProgramResult status = place.run({"status", place.path("run")});
  CHECK(contains(status.out, "1 run: 1 failed"));
  CHECK(contains(status.out, "status.json is that of run "));
  const ProgramResult verified = place.run({"verify", place.path("run")});
  CHECK(verified.exit_code == 4);
  CHECK(contains(verified.out, "BAD  " + place.path("run/status.json") + "  status.json is that of run "));
  const ProgramResult result = place.run(train);
  CHECK(result.exit_code == 0);
  CHECK(contains(result.out, "done  step 400/400"));
}

TEST_CASE("a log that is a link or a FIFO is refused at once, and what it leads to is left alone", "[integration]") {
  Workplace place;
  const bool fifo = GENERATE(false, true);
  fs::create_directory(place.path("run"));
  write_text(place.path("elsewhere"), "mine");
  if (fifo)
    REQUIRE(mkfifo(place.path("run/log.txt").c_str(), 0600) == 0);
  else
    fs::create_symlink(place.path("elsewhere"), place.path("run/log.txt"));
  const ProgramResult train = place.run({"train", place.config(), "--out", place.path("run")});
  CHECK(train.exit_code == 5);
  CHECK(contains(train.err,
                 fifo ? "log.txt: cannot write: it is a FIFO" : "log.txt: cannot write: it is a symbolic link"));

  // In a sweep the run fails by itself.
  const std::vector<std::string> sweep{"sweep", place.config(), "seed=0,1", "--quiet", "--out", place.path("s")};
  const ProgramResult plan = place.run({"sweep", place.config(), "seed=0,1", "--dry-run", "--out", place.path("s")});
  std::smatch id_in_plan;
  REQUIRE(std::regex_search(plan.out, id_in_plan, std::regex("\\b[0-9a-f]{10}\\b")));
  const std::string id = id_in_plan.str();
  fs::create_directories(fs::path(place.path("s")) / id);
  fs::rename(place.path("run/log.txt"), fs::path(place.path("s")) / id / "log.txt");
  const ProgramResult result = place.run(sweep);
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 3);
  CHECK(contains(result.out, "2 runs: 1 untrained, 1 failed"));
  CHECK(text_of(place.path("elsewhere")) == "mine");
}

TEST_CASE("what somebody wrote into a directory commands no terminal", "[integration]") {
  Workplace place;
  const std::string run = place.path("run"), sweep = place.path("sweep"), odd = place.path("odd" + kEvil);
  REQUIRE(place.run({"train", place.config(), "--quiet", "--out", run}).exit_code == 0);
  REQUIRE(place.run({"sweep", place.config(), "seed=0,1", "--quiet", "--out", sweep}).exit_code == 0);
  RunStatus status = *read_status(fs::path(run) / kStatusFileName);
  status.reason = kEvil;
  write_status(fs::path(run), status);
  for (const auto& entry : fs::directory_iterator(sweep)) {
    if (!fs::exists(entry.path() / "config.toml")) continue;
    RunStatus of_run = *read_status(entry.path() / kStatusFileName);
    of_run.state = RunState::Failed;
    of_run.reason = kEvil;
    write_status(entry.path(), of_run);
    write_text(entry.path() / "ckpt" / ("step_" + kEvil), "");
    break;
  }
  const std::string config = place.path("evil.toml");
  write_text(config, text_of(place.config()) + "path = \"\\u001b]0;owned\\u0007\\u009b\\u202e\"\nsource = \"text\"\n");
  fs::create_directory(odd);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"train", place.config(), "--out", run},
                                             {"train", config, "--out", place.path("new")},
                                             {"train", config, "--dry-run", "--out", place.path("new")},
                                             {"train", place.config(), kEvil, "--out", run},
                                             {"train", place.config(), "optimizer.lr=" + kEvil},
                                             {"train", place.config(), "--out", odd},
                                             {"train", odd, "--out", odd},
                                             {"sweep", place.config(), "seed=0,1", "--out", sweep},
                                             {"status", run},
                                             {"status", run, "--json"},
                                             {"status", sweep},
                                             {"status", odd},
                                             {"verify", sweep},
                                             {"verify", odd},
                                             {"label", sweep},
                                             {"merge", sweep},
                                             {"merge", sweep, "--json"},
                                             {"merge", sweep, "--reference", kEvil},
                                             {"warn", sweep, "--rule", kEvil},
                                             {"formats", kEvil},
                                             {"recipes", kEvil},
                                             {"cast", "--format", kEvil, "1"},
                                             {kEvil},
                                             {"train", "--" + kEvil}}) {
    const ProgramResult result = place.run(words);
    CAPTURE(words, result.out, result.err);
    CHECK(is_harmless(result.out));
    CHECK(is_harmless(result.err));
    CHECK(result.exit_code != 1);
    if (words[0] == "status" && words.size() == 3)
      CHECK(nlohmann::json::parse(result.out)["runs"][0]["reason"] == kEvil);
  }
}

TEST_CASE("an axis that is no key ends merge, status and verify with exit code 4 and a word", "[integration]") {
  Workplace place;
  REQUIRE(place.run({"sweep", place.config(), "seed=0,1", "--quiet", "--out", place.path("s")}).exit_code == 0);
  const std::string record = text_of(place.path("s/sweep.toml"));
  for (const std::string axis : {"/", ".", "..", ""}) {
    std::string changed = record;
    for (std::size_t at; (at = changed.find("\"seed\" =")) != std::string::npos;)
      changed.replace(at, 8, "\"" + axis + "\" =");
    changed.replace(changed.find("'seed'"), 6, "\"" + axis + "\"");
    write_text(place.path("s/sweep.toml"), changed);
    for (const char* command : {"merge", "label", "status", "verify"}) {
      const ProgramResult result = place.run({command, place.path("s")});
      CAPTURE(axis, command, result.err);
      CHECK(result.exit_code == 4);
      CHECK(contains(result.err, "sweep.toml: damaged: the axis \"" + axis + "\" is no key of a config"));
    }
  }
}
