// SPDX-License-Identifier: Apache-2.0
// The header of a NumPy array file (.npy), format versions 1 to 3: "\x93NUMPY", two bytes of version, the length of the
// text that follows (2 bytes little-endian in version 1, else 4), and the text of a Python dictionary with the keys
// descr, fortran_order and shape (numpy.lib.format). The array's bytes follow.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace precipice {

// Whether a file that begins with these bytes is one: no other format begins so.
bool is_npy(std::string_view bytes);

struct NpyHeader {
  std::string type;           // "<u2": byte order, kind, bytes
  bool column_major = false;  // of more than one dimension
  std::vector<std::uint64_t> shape;
  std::size_t first_byte = 0;  // of the array
};

// `bytes`: the file's, of which the beginning is looked at. Throws DataError naming `name`.
NpyHeader parse_npy_header(std::string_view bytes, const std::string& name);

}  // namespace precipice
