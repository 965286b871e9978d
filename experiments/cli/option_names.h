// SPDX-License-Identifier: Apache-2.0
// Libraries name parameters, the command line names options. A library refuses a parameter as a ConfigError without a
// file whose key is the parameter's name, and mentions others as `name`; the user reads the options of his command:
//   checkpoint = 7: ...; `force` replaces it    ->    command line: --checkpoint = 7: ...; --force replaces it
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <string>

namespace precipice {

class OptionNames {
 public:
  // A parameter's option is --name, or the operand NAME, where the command has one, and else what `others` says.
  OptionNames(const CLI::App* parser, std::map<std::string, std::string> others)
      : parser_(parser), others_(std::move(others)) {}

  // "--checkpoint"; "" where the command has no such option.
  std::string option_of(const std::string& parameter) const;
  // The text with an option for each `name` that has one.
  std::string in_text(const std::string& text) const;
  // Does the work; what it throws comes out with the options' names.
  int translate(const std::function<int()>& work) const;

 private:
  const CLI::App* parser_;
  std::map<std::string, std::string> others_;
};

}  // namespace precipice
