// SPDX-License-Identifier: Apache-2.0
#include "experiments/console/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "experiments/console/lost_output.h"
#include "experiments/console/printable.h"
#include "experiments/console/thread_output.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

// 0, or the errno of the write that failed.
int write_or_errno(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

ProgressPrinter make_printer(int descriptor, bool quiet, double pipe_interval) {
  ProgressPrinter::Options options;
  const std::optional<TerminalSize> size = terminal_size(descriptor);
  options.terminal = size.has_value();
  options.width = size ? size->columns : 0;
  options.pipe_interval = pipe_interval;
  if (quiet) return ProgressPrinter([](std::string_view) {}, options);
  return ProgressPrinter([descriptor](std::string_view text) { write_or_errno(descriptor, text); }, options);
}

bool is_plain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || std::strchr("_-./=,:+@%", c) != nullptr;
}

}  // namespace

std::string path_argument(const std::filesystem::path& path) {
  return path.string().starts_with("-") ? "./" + path.string() : path.string();
}

std::string shell_word(const std::string& word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

void print_result(std::string_view text) {
  const int error = write_or_errno(STDOUT_FILENO, printable(text));
  if (error == EPIPE) throw ReaderIsGone();
  if (error != 0) throw OutputError(std::string("standard output: ") + std::strerror(error));
}

void clear_screen() {
  write_or_errno(STDOUT_FILENO, "\x1b[H\x1b[2J");
}

void print_note(std::string_view text) {
  write_or_errno(ThreadOutput::instead_of(STDOUT_FILENO), printable(text));
}

ProgressPrinter standard_progress(bool quiet, double pipe_interval) {
  return make_printer(STDOUT_FILENO, quiet, pipe_interval);
}

ProgressPrinter waiting_progress(bool quiet) {
  ProgressPrinter printer = make_printer(STDERR_FILENO, quiet, kWaitingInterval);
  if (!printer.terminal()) printer.start(monotonic_seconds());
  return printer;
}

std::optional<TerminalSize> terminal_size(int descriptor) {
  if (isatty(descriptor) != 1) return std::nullopt;
  winsize size{};
  TerminalSize known;
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return known;
  known.columns = size.ws_col, known.rows = size.ws_row;
  return known;
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
