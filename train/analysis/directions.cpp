// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/directions.h"

#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "precision/base/check.h"
#include "precision/rounding/random_streams.h"
#include "train/curvature/spectrum.h"

namespace precipice {
namespace {

constexpr double kTiny = 1e-10;  // of the tool's net_plotter.py

std::string group_of(int axis) {
  return axis == 0 ? "/xdirection" : "/ydirection";
}

std::string spelled(const std::vector<std::uint64_t>& shape) {
  std::string text;
  for (const std::uint64_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "(" + text + ")";
}

FlatVector read_direction(const Hdf5Reader& file, const std::filesystem::path& path, int axis,
                          const RunEvaluator& evaluator) {
  const std::string group = group_of(axis);
  if (!file.has(group)) throw DataError(path.string() + ": " + group + " is missing");
  const std::size_t count = file.names(group).size();
  if (count != evaluator.parameters().size())
    throw DataError(join_parts(path.string(), ": ", group, " has ", count, " arrays, the model has ",
                               evaluator.parameters().size(), " parameters"));
  FlatVector direction;
  direction.reserve(static_cast<std::size_t>(evaluator.size()));
  for (std::size_t i = 0; i < count; ++i) {
    const ParameterSlice& slice = evaluator.parameters()[i];
    const std::string name = group + "/" + std::to_string(i);
    if (!file.has(name)) throw DataError(path.string() + ": " + name + " is missing");
    const std::vector<std::uint64_t> needed(slice.shape.begin(), slice.shape.end()), found = file.shape(name);
    if (found != needed)
      throw DataError(path.string() + ": " + name + " has shape " + spelled(found) + ", " + slice.name + " has " +
                      spelled(needed));
    for (const double value : file.read_doubles(name)) {
      if (!std::isfinite(value)) throw DataError(path.string() + ": " + name + " has a value that is not finite");
      direction.push_back(static_cast<float>(value));
    }
  }
  return direction;
}

}  // namespace

void filter_normalise(FlatVector& direction, std::span<const float> weights,
                      const std::vector<ParameterSlice>& parameters) {
  for (const ParameterSlice& slice : parameters) {
    const auto begin = static_cast<std::size_t>(slice.offset), size = static_cast<std::size_t>(slice.size);
    const std::span<float> all = std::span(direction).subspan(begin, size);
    if (slice.shape.size() < 2) {
      std::fill(all.begin(), all.end(), 0.0f);
      continue;
    }
    const auto rows = static_cast<std::size_t>(slice.shape[0]), width = size / rows;
    for (std::size_t row = 0; row < rows; ++row) {
      const std::span<float> filter = all.subspan(row * width, width);
      scale_by(filter, euclidean_norm(weights.subspan(begin + row * width, width)) / (euclidean_norm(filter) + kTiny));
    }
  }
}

Directions random_directions(const RunEvaluator& evaluator, std::uint64_t seed) {
  Directions directions;
  std::uint32_t axis = 0;
  for (FlatVector* direction : {&directions.x, &directions.y}) {
    *direction = random_normal(evaluator.size(), random_key(kDirectionStream, seed, axis++));
    filter_normalise(*direction, evaluator.weights(), evaluator.parameters());
  }
  return directions;
}

Directions hessian_directions(RunEvaluator& evaluator, std::uint64_t seed) {
  TopOptions options;
  options.both_ends = false;
  options.count = 2;
  options.vectors = true;
  options.seed = seed;
  const LinearOperator hessian =
      curvature_operator(evaluator, {CurvatureMatrix::Hessian, CurvatureMethod::DoubleBackward});
  TopSpectrum top = top_spectrum(hessian, evaluator.size(), options);
  if (top.vectors.size() < 2)
    throw DataError("`directions` hessian: " + (top.reason.empty() ? "the Hessian has one eigenvalue" : top.reason));
  return {std::move(top.vectors[0]), std::move(top.vectors[1]), {}, {}, {}};
}

Directions trajectory_directions(RunEvaluator& evaluator) {
  const std::int64_t centre = evaluator.step();
  const FlatVector origin = evaluator.weights();
  std::vector<std::int64_t> steps = evaluator.steps_with_weights();
  std::erase(steps, centre);
  std::vector<FlatVector> differences;
  for (const std::int64_t step : steps) {
    evaluator.load(step);
    differences.push_back(evaluator.weights());
    add_scaled(differences.back(), -1, origin);
  }
  evaluator.load(centre);
  const auto count = static_cast<std::int64_t>(differences.size());
  at::Tensor gram = at::zeros({count, count}, at::TensorOptions(at::kDouble));
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t j = 0; j < count; ++j)
      gram.mutable_data_ptr<double>()[i * count + j] =
          inner_product(differences[static_cast<std::size_t>(i)], differences[static_cast<std::size_t>(j)]);
  Directions directions;
  // By name, as Clang 16 has no structured bindings in lambdas when it compiles for OpenMP.
  const std::tuple<at::Tensor, at::Tensor> eigen = at::linalg_eigh(gram);
  const at::Tensor &values = std::get<0>(eigen), &vectors = std::get<1>(eigen);
  const at::Tensor columns = vectors.t().contiguous();
  const auto eigenvalue = [&](std::int64_t k) { return values.const_data_ptr<double>()[count - 1 - k]; };
  if (count < 2 || !(eigenvalue(1) > 1e-10 * eigenvalue(0)))
    throw ConfigError({"", 0, "directions", "trajectory"},
                      join_parts("needs finite weights of three steps that do not lie on a line; there are ", count + 1,
                                 " (initial, and the checkpoints that were kept)"));
  std::int64_t k = 0;
  for (FlatVector* direction : {&directions.x, &directions.y}) {
    const double* coefficients = columns.const_data_ptr<double>() + (count - 1 - k++) * count;
    direction->assign(origin.size(), 0.0f);
    for (std::int64_t i = 0; i < count; ++i)
      add_scaled(*direction, coefficients[i], differences[static_cast<std::size_t>(i)]);
    scale_by(*direction, 1 / euclidean_norm(*direction));
    std::vector<double>& places = direction == &directions.x ? directions.x_of_step : directions.y_of_step;
    double farthest = 0;
    for (const FlatVector& difference : differences) {
      places.push_back(inner_product(*direction, difference));
      farthest = std::max(farthest, std::abs(places.back()));
    }
    scale_by(*direction, farthest);
    for (double& place : places) place /= farthest;
  }
  directions.steps = steps;
  return directions;
}

Directions read_directions(const std::filesystem::path& path, const RunEvaluator& evaluator) {
  const Hdf5Reader file(path);
  Directions directions;
  directions.x = read_direction(file, path, 0, evaluator);
  directions.y = read_direction(file, path, 1, evaluator);
  return directions;
}

void write_directions(Hdf5Writer& file, const Directions& directions, const std::vector<ParameterSlice>& parameters) {
  std::vector<std::string> names;
  for (int axis = 0; axis < 2; ++axis) {
    const FlatVector& direction = axis == 0 ? directions.x : directions.y;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const ParameterSlice& slice = parameters[i];
      file.write(
          group_of(axis) + "/" + std::to_string(i),
          std::span(direction).subspan(static_cast<std::size_t>(slice.offset), static_cast<std::size_t>(slice.size)),
          {slice.shape.begin(), slice.shape.end()});
      if (axis == 0) names.push_back(slice.name);
    }
  }
  file.write("/parameter_names", names);
  if (directions.steps.empty()) return;
  const std::uint64_t count = directions.steps.size();
  file.write("/trajectory/step", directions.steps, {count});
  file.write("/trajectory/proj_xcoord", directions.x_of_step, {count});
  file.write("/trajectory/proj_ycoord", directions.y_of_step, {count});
}

}  // namespace precipice
