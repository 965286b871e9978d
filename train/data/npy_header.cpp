// SPDX-License-Identifier: Apache-2.0
#include "train/data/npy_header.h"

#include <charconv>
#include <limits>

#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr std::size_t kMaxNpyHeaderBytes = 1 << 16;
constexpr std::size_t kMaxDimensions = 32;

[[noreturn]] void refuse_npy(const std::string& name, const std::string& problem) {
  throw DataError(name + ": NumPy file (.npy): " + problem);
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// The text after "'key':", from its first character that is no blank.
std::string_view value_of(std::string_view text, const std::string& key, const std::string& name) {
  for (const char quote : {'\'', '"'}) {
    const std::string quoted = quote + key + quote;
    std::size_t at = text.find(quoted);
    if (at == std::string_view::npos) continue;
    at = text.find_first_not_of(' ', at + quoted.size());
    if (at == std::string_view::npos || text[at] != ':') continue;
    at = text.find_first_not_of(' ', at + 1);
    if (at != std::string_view::npos) return text.substr(at);
  }
  refuse_npy(name, "its header has no " + key);
}

std::string parse_type(std::string_view value, const std::string& name) {
  if (value.front() != '\'' && value.front() != '"') refuse_npy(name, "it holds records; plain numbers are needed");
  const std::size_t end = value.find(value.front(), 1);
  if (end == std::string_view::npos) refuse_npy(name, "its header is cut short");
  return std::string(value.substr(1, end - 1));
}

std::vector<std::uint64_t> parse_shape(std::string_view value, const std::string& name) {
  const std::size_t end = value.find(')');
  if (value.front() != '(' || end == std::string_view::npos) refuse_npy(name, "its header has no shape");
  std::vector<std::uint64_t> shape;
  std::uint64_t elements = 1;
  for (const char* at = value.data() + 1; at < value.data() + end;) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    std::uint64_t extent = 0;
    const auto [rest, error] = std::from_chars(at, value.data() + end, extent);
    if (error != std::errc{} || shape.size() == kMaxDimensions) refuse_npy(name, "its header has no shape");
    if (extent != 0 && elements > std::numeric_limits<std::uint64_t>::max() / extent)
      refuse_npy(name, "its shape is too large");
    elements *= extent;
    shape.push_back(extent);
    at = rest;
  }
  return shape;
}

}  // namespace

bool is_npy(std::string_view bytes) {
  return bytes.starts_with(kNpyMagic);
}

NpyHeader parse_npy_header(std::string_view bytes, const std::string& name) {
  PRECIPICE_CHECK(is_npy(bytes), name);
  if (bytes.size() < kNpyMagic.size() + 6) refuse_npy(name, "its header is cut short");
  const int version = static_cast<unsigned char>(bytes[kNpyMagic.size()]);
  if (version < 1 || version > 3) refuse_npy(name, join_parts("version ", version, "; 1 to 3 are known"));
  const std::size_t length_bytes = version == 1 ? 2 : 4, text_begin = kNpyMagic.size() + 2 + length_bytes;
  const std::uint64_t length = little_endian(bytes.substr(kNpyMagic.size() + 2, length_bytes));
  if (length > kMaxNpyHeaderBytes || bytes.size() < text_begin + length) refuse_npy(name, "its header is cut short");
  const std::string_view text = bytes.substr(text_begin, length);
  NpyHeader header;
  header.type = parse_type(value_of(text, "descr", name), name);
  header.shape = parse_shape(value_of(text, "shape", name), name);
  const std::string_view order = value_of(text, "fortran_order", name);
  if (!order.starts_with("True") && !order.starts_with("False")) refuse_npy(name, "its header has no fortran_order");
  header.column_major = order.starts_with("True") && header.shape.size() > 1;
  header.first_byte = text_begin + length;
  return header;
}

}  // namespace precipice
