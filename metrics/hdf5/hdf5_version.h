// SPDX-License-Identifier: Apache-2.0
// The HDF5 library that the program runs with.
#pragma once

#include <string>

namespace precipice {

std::string hdf5_version();  // "1.10.8"

}  // namespace precipice
