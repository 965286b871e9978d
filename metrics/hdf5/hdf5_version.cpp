// SPDX-License-Identifier: Apache-2.0
#include "metrics/hdf5/hdf5_version.h"

#include "metrics/hdf5/hdf5_handles.h"

namespace precipice {

std::string hdf5_version() {
  const Hdf5Lock lock;
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

}  // namespace precipice
