// SPDX-License-Identifier: Apache-2.0
// The processor's settings that roundings rely on, changed in child processes.
#include "precision/rounding/float_environment.h"

#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "precision/base/check.h"
#include "tests/support/catch.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace precipice::test {

#if defined(__x86_64__)
namespace {

// 0: accepted; 1: refused with a text that has `word`; 2: refused otherwise.
int answer_with(unsigned settings, const std::string& word) {
  const pid_t pid = fork();
  if (pid == 0) {
    _mm_setcsr(_mm_getcsr() | settings);
    int answer = 0;
    try {
      check_float_environment();
    } catch (const ConfigError& error) {
      answer = std::string(error.what()).find(word) != std::string::npos ? 1 : 2;
    }
    _exit(answer);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

}  // namespace

TEST_CASE("a processor that flushes subnormals, reads them as zero, or rounds another way is refused by name") {
  CHECK(answer_with(0, "") == 0);
  CHECK(answer_with(0x8000, "FTZ") == 1);
  CHECK(answer_with(0x0040, "DAZ") == 1);
  CHECK(answer_with(0x8040, "DAZ") == 1);
  for (const unsigned rounding : {0x2000u, 0x4000u, 0x6000u}) CHECK(answer_with(rounding, "nearest even") == 1);
}
#endif

TEST_CASE("the processor is left as the roundings need it") {
  CHECK_NOTHROW(check_float_environment());
}

}  // namespace precipice::test
