// SPDX-License-Identifier: Apache-2.0
#include "train/analysis/landscape_file.h"

#include "precision/base/check.h"

namespace precipice {

std::vector<double> axis_coordinates(const LandscapeAxis& axis) {
  if (axis.points == 1) return {0};
  std::vector<double> coordinates;
  const auto intervals = static_cast<double>(axis.points - 1);
  for (std::int64_t i = 0; i < axis.points; ++i) {
    const auto from_first = static_cast<double>(i);
    coordinates.push_back((axis.first * (intervals - from_first) + axis.last * from_first) / intervals);
  }
  return coordinates;
}

std::vector<std::size_t> Landscape::missing() const {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < loss.size(); ++i)
    if (loss[i] == kNotComputed) indices.push_back(i);
  return indices;
}

std::string landscape_bytes(const Landscape& landscape, const RunEvaluator& evaluator) {
  Hdf5Writer file;
  const std::uint64_t nx = landscape.x.size(), ny = landscape.y.size();
  file.write("/xcoordinates", landscape.x, {nx});
  file.write("/ycoordinates", landscape.y, {ny});
  file.write("/train_loss", landscape.loss, {ny, nx});
  file.attribute("/train_loss", "units", "nats");
  file.attribute("/train_loss", "long_name", "mean cross-entropy over the evaluation batches; -1: not yet computed");
  write_directions(file, landscape.directions, evaluator.parameters());
  file.attribute("/", "identity", landscape.identity);
  file.attribute("/", "run", evaluator.run());
  file.attribute("/", "step", evaluator.step());
  file.attribute("/", "recipe", evaluator.config().precision.recipe);
  return file.finish();
}

void resume_landscape(const std::filesystem::path& path, Landscape& landscape) {
  const Hdf5Reader file(path);
  if (!file.has("/train_loss") || !file.has("/xcoordinates") || !file.has("/ycoordinates"))
    throw DataError(path.string() + ": no landscape: /xcoordinates, /ycoordinates or /train_loss is missing");
  const std::string identity = file.attribute_text("/", "identity");
  if (identity != landscape.identity || file.read_doubles("/xcoordinates") != landscape.x ||
      file.read_doubles("/ycoordinates") != landscape.y)
    throw ConfigError({"", 0, "out", path.string()}, "holds another landscape (" + identity + "); `force` replaces it");
  std::vector<double> loss = file.read_doubles("/train_loss");
  if (loss.size() != landscape.loss.size())
    throw DataError(path.string() + ": /train_loss does not fit the coordinates");
  landscape.loss = std::move(loss);
}

}  // namespace precipice
