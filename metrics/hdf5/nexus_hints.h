// SPDX-License-Identifier: Apache-2.0
// What makes viewers of HDF5 (h5web in JupyterLab and VS Code, silx view) open a file on a figure: the attributes of
// NeXus' NXdata, https://manual.nexusformat.org/classes/base_classes/NXdata.html. They change no number.
#pragma once

#include <string>
#include <vector>

#include "metrics/hdf5/hdf5_file.h"

namespace precipice {

inline constexpr const char* kStepAxis = "step";
inline constexpr const char* kNoAxis = ".";  // an axis without numbers: runs, sites, bins

// `group`, a path, is drawn as its series `signal` against `axes`, one name or kNoAxis for each of its dimensions.
// With several dimensions it is a row of curves along the axis with numbers, not an image.
void mark_as_figure(Hdf5Writer& file, const std::string& group, const std::string& signal,
                    const std::vector<std::string>& axes);
// The file opens on this group, "metrics".
void open_on(Hdf5Writer& file, const std::string& group);

}  // namespace precipice
