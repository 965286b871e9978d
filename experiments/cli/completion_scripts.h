// SPDX-License-Identifier: Apache-2.0
// Scripts that teach a shell to complete the words of precipice. They hold no words of their own: at every press of TAB
// they ask the program that is on the command line, `PROGRAM complete-words WORD...` (completion.cpp).
#pragma once

#include <string>
#include <vector>

namespace precipice {

const std::vector<std::string>& completion_shells();  // bash, zsh, fish
// One of completion_shells().
std::string completion_script(const std::string& shell);

}  // namespace precipice
