// SPDX-License-Identifier: Apache-2.0
#include "metrics/hdf5/nexus_hints.h"

namespace precipice {

void mark_as_figure(Hdf5Writer& file, const std::string& group, const std::string& signal,
                    const std::vector<std::string>& axes) {
  file.attribute(group, "NX_class", std::string("NXdata"));
  file.attribute(group, "signal", signal);
  file.attribute(group, "axes", axes);
  if (axes.size() == 2 && axes.back() == kStepAxis)
    file.attribute(group + "/" + signal, "interpretation", std::string("spectrum"));
}

void open_on(Hdf5Writer& file, const std::string& group) {
  file.attribute("/", "NX_class", std::string("NXroot"));
  file.attribute("/", "default", group);
}

}  // namespace precipice
