// SPDX-License-Identifier: Apache-2.0
#include "experiments/console/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace precipice {
namespace {

constexpr char32_t kNone = 0xffffffff;

struct Character {
  char32_t code = kNone;  // kNone: the byte is no UTF-8
  std::size_t bytes = 1;
};

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The character at the start of text, which is not empty: shortest form, no surrogate, at most U+10FFFF (RFC 3629).
Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  char32_t code = lead & (0x7Fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if (!is_continuation(text[i])) return {};
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3Fu);
  }
  constexpr char32_t kLeast[] = {0x80, 0x800, 0x10000};
  if (code < kLeast[bytes - 2] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, bytes};
}

// Unicode's categories Cc, Zl, Zp and the marks of its bidirectional algorithm (UAX 9, with the deprecated ones beside
// them).
bool is_command(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C || code == 0x200E || code == 0x200F ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x206F);
}

template <class Keep>
std::string escape(std::string_view text, const Keep& keep) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const Character c = first_character(text);
    if (c.code == kNone)
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    else if (is_command(c.code) && !keep(c.code))
      result += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c.code));
    else
      result += text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) {
  return escape(text, [](char32_t code) { return code == '\n' || code == '\t'; });
}

std::string printable_line(std::string_view text) {
  std::string line(text);
  std::ranges::replace_if(
      line, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  line.erase(line.find_last_not_of(' ') + 1);
  return escape(line, [](char32_t) { return false; });
}

std::string_view first_characters(std::string_view text, std::size_t count) {
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    if (is_continuation(text[end])) continue;
    if (count-- == 0) break;
  }
  return text.substr(0, end);
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

}  // namespace precipice
