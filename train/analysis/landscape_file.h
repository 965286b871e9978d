// SPDX-License-Identifier: Apache-2.0
// A slice of a loss surface on a grid, and its HDF5 file, with the key names of the loss-landscape tool:
//   /xcoordinates (nx), /ycoordinates (ny), /train_loss (ny, nx): row j, column i at (x_i, y_j); -1 = not yet computed
//   /xdirection/<n>, /ydirection/<n>, /parameter_names, /trajectory/...  see directions.h
//   root attributes: identity (what the numbers depend on, one line), loss, run, step, recipe
// Nothing in it depends on when or by how many workers it was computed: equal landscapes have equal bytes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "train/analysis/directions.h"

namespace precipice {

inline constexpr double kNotComputed = -1;

struct LandscapeAxis {
  double first = -1, last = 1;
  std::int64_t points = 25;
};
// Evenly spaced, both ends included; 0 lies on it exactly where the range is symmetric and the number odd. One point:
// 0.
std::vector<double> axis_coordinates(const LandscapeAxis& axis);

struct Landscape {
  std::string identity;
  std::vector<double> x, y;  // coordinates
  std::vector<double> loss;  // [j * x.size() + i]; a cross-entropy is never -1
  Directions directions;
  std::vector<std::size_t> missing() const;  // indices into `loss`
};

std::string landscape_bytes(const Landscape& landscape, const RunEvaluator& evaluator);

// Takes over the losses of a file of the same landscape. Throws ConfigError when the file holds another one, DataError
// when it is none.
void resume_landscape(const std::filesystem::path& path, Landscape& landscape);

}  // namespace precipice
