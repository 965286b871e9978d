// SPDX-License-Identifier: Apache-2.0
// The safetensors format (https://huggingface.co/docs/safetensors, "Format"): 8 bytes, the header's length as
// little-endian uint64; the header, a JSON object of tensor name to {"dtype", "shape", "data_offsets": [begin, end]} in
// bytes after the header, and "__metadata__" of text to text; the numbers, without gaps. Here all are F32.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "train/model/named_array.h"

namespace precipice {

// The file's bytes, arrays in their order; the header is padded by spaces to a multiple of 8.
std::string to_safetensors(const std::vector<NamedArray>& arrays, const std::map<std::string, std::string>& metadata);

// All arrays, by name in ascending order; `name` is for messages. Throws DataError where the file is no safetensors
// file, is cut off, has gaps or overlaps, or holds other numbers than F32.
std::vector<NamedArray> from_safetensors(const std::string& bytes, const std::string& name);

// Whether these bytes begin as such a file does; HDF5's never do.
bool looks_like_safetensors(const std::string& bytes);

}  // namespace precipice
