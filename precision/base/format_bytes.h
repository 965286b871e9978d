// SPDX-License-Identifier: Apache-2.0
// Sizes of memory and files for people.
#pragma once

#include <string>

namespace precipice {

std::string format_bytes(double bytes);  // "512 B", "3.1 MB"; powers of 1000

}  // namespace precipice
