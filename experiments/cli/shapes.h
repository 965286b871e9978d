// SPDX-License-Identifier: Apache-2.0
// Shapes of the values in a pipe, as --shape says them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace precipice {

// "RxC" or "MxNxK", of so many dimensions. Throws ConfigError naming --shape.
std::vector<std::int64_t> parse_shape(const std::string& text, std::size_t dimensions);

// Throws ConfigError where a matrix of the shape has more values than a pipe's tensors may.
void check_size(const std::string& text, std::int64_t rows, std::int64_t cols);

}  // namespace precipice
