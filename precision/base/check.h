// SPDX-License-Identifier: Apache-2.0
// Errors of the whole program. Bad input throws ConfigError, DataError or OutputError, a broken contract is a
// PRECIPICE_CHECK; wrong numbers (NaN, divergence) are recorded by the metrics and never thrown.
// Libraries never print or exit: experiments/cli maps each type to its exit code.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace precipice {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A key or an option that cannot be accepted (exit code 2). what() is one line:
//   FILE:LINE: KEY = VALUE: PROBLEM
// where parts that are not known are left out. `problem` says what is allowed and, for an unknown key, the nearest one.
class ConfigError : public Error {
 public:
  struct Where {
    std::string file;  // path as the user gave it, or "command line"
    int line = 0;      // 1-based; 0 = unknown
    std::string key;
    std::string value;
  };
  explicit ConfigError(const std::string& problem) : ConfigError(Where{}, problem) {}
  ConfigError(Where where, const std::string& problem);
  const Where& where() const { return where_; }
  const std::string& problem() const { return problem_; }

 private:
  Where where_;
  std::string problem_;
};

// Data that cannot be used: too short a text, a token beyond the vocabulary, a damaged checkpoint (exit code 4).
class DataError : public Error {
 public:
  using Error::Error;
};

// Output that could not be written: no space, no permission (exit code 5).
class OutputError : public Error {
 public:
  using Error::Error;
};

// A contract between our own parts was broken: always a bug of the program, never of its input.
class ContractError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void throw_contract_error(const char* file, int line, const char* condition, const std::string& message);

template <class... Parts>
std::string join_parts(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// The candidate with the smallest edit distance to `word`, or "" when none is near enough to be what was meant.
template <class Range>
std::string nearest_word(const std::string& word, const Range& candidates);
int edit_distance(const std::string& a, const std::string& b);

template <class Range>
std::string nearest_word(const std::string& word, const Range& candidates) {
  std::string best;
  int best_distance = static_cast<int>(word.size()) / 3 + 2;
  for (const auto& candidate : candidates) {
    const int distance = edit_distance(word, std::string(candidate));
    if (distance < best_distance) best_distance = distance, best = std::string(candidate);
  }
  return best;
}

}  // namespace precipice

#define PRECIPICE_CHECK(condition, ...)                                                          \
  do {                                                                                           \
    if (!(condition))                                                                            \
      ::precipice::throw_contract_error(__FILE__, __LINE__, #condition,                          \
                                        ::precipice::join_parts("" __VA_OPT__(, ) __VA_ARGS__)); \
  } while (false)
