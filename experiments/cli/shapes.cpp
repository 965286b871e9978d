// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "experiments/console/console.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"

namespace precipice {
namespace {

constexpr std::int64_t kMostValues = std::int64_t{1} << 31;

}  // namespace

std::vector<std::int64_t> parse_shape(const std::string& text, std::size_t dimensions) {
  std::vector<std::int64_t> shape;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('x', start), text.size());
    const auto size = parse_number<std::int64_t>(std::string_view(text).substr(start, end - start));
    if (!size || *size < 1 || *size >= kMostValues) {
      shape.clear();
      break;
    }
    shape.push_back(*size);
    start = end + 1;
  }
  if (shape.size() != dimensions)
    throw ConfigError({kCommandLine, 0, "--shape", text},
                      fmt::format("must be {} whole numbers from 1, such as {}", dimensions,
                                  dimensions == 2 ? "4096x1024" : "512x512x1024"));
  return shape;
}

void check_size(const std::string& text, std::int64_t rows, std::int64_t cols) {
  if (rows > kMostValues / cols) throw ConfigError({kCommandLine, 0, "--shape", text}, "has more than 2^31 values");
}

}  // namespace precipice
