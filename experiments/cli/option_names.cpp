// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/option_names.h"

#include <algorithm>
#include <cctype>

#include "experiments/cli/commands.h"
#include "experiments/sweep/plan.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

std::string upper_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

}  // namespace

std::string OptionNames::option_of(const std::string& parameter) const {
  if (const auto other = others_.find(parameter); other != others_.end()) return other->second;
  for (const std::string& option : {"--" + parameter, upper_case(parameter)})
    if (!parameter.empty() && parser_->get_option_no_throw(option) != nullptr) return option;
  return "";
}

std::string OptionNames::in_text(const std::string& text) const {
  std::string translated;
  std::size_t done = 0;
  for (;;) {
    const std::size_t open = text.find('`', done);
    const std::size_t close = open == std::string::npos ? open : text.find('`', open + 1);
    if (close == std::string::npos) return translated + text.substr(done);
    const std::string option = option_of(text.substr(open + 1, close - open - 1));
    translated += text.substr(done, open - done);
    // Without an option, the second mark may be the first of the next pair.
    translated += option.empty() ? text.substr(open, close - open) : option;
    done = option.empty() ? close : close + 1;
  }
}

int OptionNames::translate(const std::function<int()>& work) const {
  try {
    return work();
  } catch (const ConfigError& error) {
    ConfigError::Where where = error.where();
    if (const std::string option = where.file.empty() ? option_of(where.key) : ""; !option.empty())
      where.file = kCommandLine, where.key = option;
    throw ConfigError(where, in_text(error.problem()));
  } catch (const DataError& error) {
    throw DataError(in_text(error.what()));
  } catch (const NotEnoughMemory& error) {
    throw NotEnoughMemory(in_text(error.what()));
  }
}

}  // namespace precipice
