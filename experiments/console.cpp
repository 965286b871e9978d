// SPDX-License-Identifier: Apache-2.0
#include "experiments/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "precision/check.h"

namespace precipice {
namespace {

// 0, or the errno of the write that failed.
int write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool is_plain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || std::strchr("_-./=,:+@%", c) != nullptr;
}

std::string shell_word(const std::string& word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

void print_result(std::string_view text) {
  const int error = write_all(text);
  if (error != 0 && error != EPIPE) throw OutputError(std::string("standard output: ") + std::strerror(error));
}

ProgressPrinter standard_progress(bool quiet, double pipe_interval) {
  ProgressPrinter::Options options;
  options.terminal = isatty(STDOUT_FILENO) == 1;
  options.width = options.terminal ? terminal_width() : 0;
  options.pipe_interval = pipe_interval;
  if (quiet) return ProgressPrinter([](std::string_view) {}, options);
  return ProgressPrinter([](std::string_view text) { write_all(text); }, options);
}

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string shell_line(int argc, const char* const* argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) line += (i > 0 ? " " : "") + shell_word(argv[i]);
  return line;
}

}  // namespace precipice
