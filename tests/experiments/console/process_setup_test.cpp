// SPDX-License-Identifier: Apache-2.0
// The process's surroundings, tried in child processes since they change the whole process.
#include "experiments/console/process_setup.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "experiments/console/console.h"
#include "tests/support/catch.h"

using namespace precipice;

namespace {

// Exit code of a child that runs `body`, 128 + signal when it is killed.
template <class Body>
int exit_code_of(const Body& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

TEST_CASE("closed standard descriptors are filled, so that no file gets their numbers", "[process]") {
  CHECK(exit_code_of([] {
          close(0);
          close(1);
          close(2);
          set_up_process();
          const int next = dup(0);  // the lowest descriptor that is free
          if (next <= 2) return 1;
          // Neither an empty input nor a place for output.
          char byte = 0;
          if (read(0, &byte, 1) >= 0) return 2;
          return write(1, &byte, 1) >= 0 ? 3 : 0;
        }) == 0);
}

TEST_CASE("a write into a closed pipe is no signal", "[process]") {
  CHECK(exit_code_of([] {
          set_up_process();
          raise(SIGPIPE);
          raise(SIGXFSZ);
          return 7;
        }) == 7);
}

TEST_CASE("the first stop signal sets the flag and decides the exit code, a second SIGINT ends at once", "[process]") {
  const auto after = [](std::vector<int> signals) {
    return exit_code_of([&] {
      install_stop_signals();
      for (const int signal : signals) raise(signal);
      return stop_requested() ? stop_exit_code() : 0;
    });
  };
  CHECK(after({}) == 0);
  CHECK(after({SIGINT}) == 130);
  CHECK(after({SIGTERM}) == 143);
  CHECK(after({SIGUSR2}) == kMoreToDo);
  CHECK(after({SIGINT, SIGTERM}) == 130);
  CHECK(after({SIGTERM, SIGINT, SIGTERM}) == 130);
}

TEST_CASE("a command line is quoted so that a shell reads the same words", "[process]") {
  const char* words[] = {"precipice", "sweep", "seed=range(0,3)", "a b", "it's", "", "x=1,2"};
  CHECK(shell_line(7, words) == R"(precipice sweep 'seed=range(0,3)' 'a b' 'it'\''s' '' x=1,2)");
}
