// SPDX-License-Identifier: Apache-2.0
// A float array with a name and a shape: how weights and state go to files and back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace precipice {

struct NamedArray {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

}  // namespace precipice
