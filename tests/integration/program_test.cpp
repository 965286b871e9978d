// SPDX-License-Identifier: Apache-2.0
// The support behind program.h, which every integration test uses, and the simplest test of it: version and help.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>

#include "experiments/cli/cli.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

namespace precipice {
namespace fs = std::filesystem;

namespace {

std::vector<std::string> environment_now() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  return variables;
}

const std::vector<std::string> kFirstEnvironment = environment_now();

// Whether a fork of this process can be the program: its libraries are linked here, and a fork that calls what main()
// calls saves the quarter of a second in which they are loaded, which hundreds of starts make minutes. Libraries read the
// environment as they are loaded, threads are lost in a fork, and these words ask for the program's own file.
bool fork_is_the_program(const std::vector<std::string>& arguments) {
  const auto asks_for_file = [](const std::string& word) {
    return word == "bench" || word == "devices" || word == "report" || word == "--emit" || word == "--slurm";
  };
  std::error_code error;  // where the kernel does not say, none is counted
  const auto threads = std::distance(fs::directory_iterator("/proc/self/task", error), fs::directory_iterator());
  return threads == 1 && environment_now() == kFirstEnvironment && std::ranges::none_of(arguments, asks_for_file);
}

// What main.cpp does, without what Catch2 set for its own signals.
[[noreturn]] void end_as_the_program(int argc, char** argv) {
  for (const int signal : {SIGINT, SIGTERM, SIGSEGV, SIGFPE, SIGILL, SIGABRT}) std::signal(signal, SIG_DFL);
  const int code = run_cli(argc, argv);
  std::fflush(nullptr);
  _exit(code);
}

}  // namespace

RunningProgram::RunningProgram(const fs::path& directory, const std::vector<std::string>& arguments)
    : directory_(directory) {
  std::vector<std::string> words{program_path()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string out = (directory / "stdout").string(), err = (directory / "stderr").string();
  const bool in_fork = fork_is_the_program(arguments);
  std::fflush(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
  dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
  if (in_fork) end_as_the_program(static_cast<int>(words.size()), argv.data());
  execv(argv[0], argv.data());
  _exit(127);
}

RunningProgram::~RunningProgram() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void RunningProgram::send(int signal) const {
  kill(pid_, signal);
}

ProgramResult RunningProgram::wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), text_of(directory_ / "stdout"),
          text_of(directory_ / "stderr")};
}

Workplace::Workplace() {
  write_text(config(),
             "[model]\nlayers = 1\nwidth = 16\nheads = 1\ncontext = 16\n"
             "[train]\nbatch = 2\nsteps = 20\neval_every = 10\neval_batches = 1\ncheckpoint_every = 5\n"
             "[data]\ntokens = 5000\n");
}

ProgramResult Workplace::run(const std::vector<std::string>& arguments) const {
  return RunningProgram(dir.path(), arguments).wait();
}

bool wait_for_size(const fs::path& file, std::uintmax_t bytes) {
  for (int i = 0; i < 60'000; ++i) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file, error);
    if (!error && size >= bytes) return true;
    usleep(1000);
  }
  return false;
}

std::map<std::string, std::string> snapshot(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) files[entry.path().string()] = text_of(entry.path());
  return files;
}

std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace precipice

using namespace precipice;

TEST_CASE("version and help go to standard output with exit code 0", "[integration]") {
  Workplace place;
  const ProgramResult version = place.run({"--version"});
  CHECK(version.exit_code == 0);
  CHECK(version.out.starts_with("precipice "));
  CHECK(count_lines(version.out) == 1);
  for (const char* command : {"train", "sweep", "export"}) {
    const ProgramResult help = place.run({command, "--help"});
    CAPTURE(command);
    CHECK(help.exit_code == 0);
    CHECK(contains(help.out, std::string("Example:\n  precipice ") + command));
    CHECK(help.err.empty());
  }
}

TEST_CASE("a preloaded library that flushes subnormals is refused with its name before any command", "[integration]") {
#if defined(__x86_64__)
  Workplace place;
  setenv("LD_PRELOAD", flushing_library().c_str(), 1);
  const ProgramResult refused = place.run({"train", place.config(), "--out", place.path("run")});
  unsetenv("LD_PRELOAD");
  CHECK(refused.exit_code == 2);
  CHECK(contains(refused.err, "environment: LD_PRELOAD = "));
  CHECK(contains(refused.err, flushing_library()));
  CHECK(contains(refused.err, "unset LD_PRELOAD"));
  CHECK(!std::filesystem::exists(place.path("run")));
#else
  WARN("skipped: the library sets MXCSR, which other processors do not have");
#endif
}
