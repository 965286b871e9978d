// SPDX-License-Identifier: Apache-2.0
// Two directions through a run's weights, for slices of its loss surface (Li et al. 2018, arXiv 1712.09913):
//   random      normal, then filter-normalised: each filter d <- d |w| / (|d| + 1e-10), where a filter is a row of a
//               matrix (the weights of one output; a token's or position's row of an embedding); gains and biases stay
//               where they are (the tool's xignore = biasbn).
//   hessian     eigenvectors of the two largest Hessian eigenvalues, of length 1.
//   trajectory  principal components of the run's other weights (initial, checkpoints) minus these, scaled so that the
//               farthest of them has coordinate 1 or -1; uncentred, as the tool's plot_trajectory.
//   FILE.h5     groups /xdirection and /ydirection with one dataset per parameter, named "0", "1", ... in the model's
//               order, each of the parameter's shape: the layout of the loss-landscape tool's direction files. Used as
//               they are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "metrics/hdf5/hdf5_file.h"
#include "train/analysis/curvature.h"

namespace precipice {

struct Directions {
  FlatVector x, y;
  // Of a trajectory: its steps with their coordinates in the slice.
  std::vector<std::int64_t> steps;
  std::vector<double> x_of_step, y_of_step;
};

void filter_normalise(FlatVector& direction, std::span<const float> weights,
                      const std::vector<ParameterSlice>& parameters);

Directions random_directions(const RunEvaluator& evaluator, std::uint64_t seed);
Directions hessian_directions(RunEvaluator& evaluator, std::uint64_t seed);
// Throws ConfigError when the run has fewer than two other weights, or these lie on a line. Changes the evaluator's
// step and puts it back.
Directions trajectory_directions(RunEvaluator& evaluator);
// Throws DataError naming what is missing or has another shape.
Directions read_directions(const std::filesystem::path& path, const RunEvaluator& evaluator);
void write_directions(Hdf5Writer& file, const Directions& directions, const std::vector<ParameterSlice>& parameters);

}  // namespace precipice
