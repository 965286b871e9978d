// SPDX-License-Identifier: Apache-2.0
// Rows of words as aligned columns, for people. Control characters of a hostile config never reach the terminal.
#pragma once

#include <string>
#include <vector>

namespace precipice {

std::string format_table(const std::vector<std::vector<std::string>>& rows);  // columns two blanks apart

}  // namespace precipice
