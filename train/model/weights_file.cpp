// SPDX-License-Identifier: Apache-2.0
#include "train/model/weights_file.h"

#include <map>
#include <span>
#include <utility>
#include <variant>

#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "precision/base/spellings.h"
#include "train/model/safetensors.h"

namespace precipice {
namespace {

constexpr std::uint64_t kMaxWeightsBytes = std::uint64_t{16} << 30;
constexpr Spellings<WeightsFormat, 2> kFormats = {
    {{"hdf5", WeightsFormat::Hdf5}, {"safetensors", WeightsFormat::Safetensors}}};

std::string to_hdf5(const std::vector<NamedArray>& weights, const Attributes& attributes) {
  Hdf5Writer writer;
  for (const NamedArray& array : weights)
    writer.write("/" + array.name, std::span<const float>(array.values), {array.shape.begin(), array.shape.end()});
  for (const auto& [name, value] : attributes)
    std::visit([&, of = name](const auto& plain) { writer.attribute("/", of, plain); }, value);
  return writer.finish();
}

}  // namespace

WeightsFormat parse_weights_format(std::string_view text) {
  return parse_spelling("format of weights", text, kFormats);
}

WeightsFormat weights_format_of(const std::filesystem::path& path) {
  return path.extension() == ".safetensors" ? WeightsFormat::Safetensors : WeightsFormat::Hdf5;
}

void write_weights(const std::filesystem::path& path, const std::vector<NamedArray>& weights,
                   const Attributes& attributes, WeightsFormat format) {
  if (format == WeightsFormat::Hdf5) {
    write_file_atomic(path, to_hdf5(weights, attributes));
    return;
  }
  std::map<std::string, std::string> metadata;
  for (const auto& [name, value] : attributes) metadata[name] = to_text(value);
  write_file_atomic(path, to_safetensors(weights, metadata));
}

std::vector<NamedArray> read_weights(const std::filesystem::path& path) {
  std::string bytes = read_file(path, kMaxWeightsBytes);
  if (looks_like_safetensors(bytes)) return from_safetensors(bytes, path.string());
  const Hdf5Reader reader(std::move(bytes), path.string());
  std::vector<NamedArray> weights;
  for (const std::string& name : reader.names("/")) {
    const std::string dataset = "/" + name;
    const std::vector<std::uint64_t> shape = reader.shape(dataset);
    weights.push_back({name, {shape.begin(), shape.end()}, reader.read_floats(dataset)});
  }
  return weights;
}

}  // namespace precipice
