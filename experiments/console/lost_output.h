// SPDX-License-Identifier: Apache-2.0
// Output that nobody reads to its end: no error worth a line, but no success either.
#pragma once

#include <exception>
#include <string_view>

namespace precipice {

// The exit code that a shell has for SIGPIPE.
inline constexpr int kReaderIsGone = 141;

// Thrown by print_result when the reader of the pipe at standard output has left.
class ReaderIsGone : public std::exception {};

// A line about files that were written: nothing is lost where nobody reads it.
void print_note(std::string_view text);

}  // namespace precipice
