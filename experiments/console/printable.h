// SPDX-License-Identifier: Apache-2.0
// Text for a terminal. What a program prints comes from files as well, and whoever made a file must not command the
// terminal of who looks at it, nor make it show other words than are there.
#pragma once

#include <string>
#include <string_view>

namespace precipice {

// UTF-8 text with every control character (C0 but line feed and tab, DEL, C1) and every mark that turns the direction
// of writing or breaks lines shown as \u001b, \u202e, ... in JSON and TOML strings that spelling means the same. A byte
// that is no UTF-8 is shown as \x9b.
std::string printable(std::string_view text);

// The same in one line: line feed, carriage return and tab are blanks, blanks at the end are left out.
std::string printable_line(std::string_view text);

// The first `count` characters of UTF-8 text.
std::string_view first_characters(std::string_view text, std::size_t count);
std::size_t count_characters(std::string_view text);

}  // namespace precipice
