// SPDX-License-Identifier: Apache-2.0
#include "train/weights_file.h"

#include "metrics/files.h"
#include "metrics/hdf5_file.h"

namespace precipice {

void write_weights(const std::filesystem::path& path, const std::vector<NamedArray>& weights) {
  Hdf5Writer writer;
  for (const NamedArray& array : weights)
    writer.write("/" + array.name, std::span<const float>(array.values), {array.shape.begin(), array.shape.end()});
  write_file_atomic(path, writer.finish());
}

std::vector<NamedArray> read_weights(const std::filesystem::path& path) {
  const Hdf5Reader reader(path);
  std::vector<NamedArray> weights;
  for (const std::string& name : reader.names("/")) {
    const std::string dataset = "/" + name;
    const std::vector<std::uint64_t> shape = reader.shape(dataset);
    weights.push_back({name, {shape.begin(), shape.end()}, reader.read_floats(dataset)});
  }
  return weights;
}

}  // namespace precipice
