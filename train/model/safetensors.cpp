// SPDX-License-Identifier: Apache-2.0
#include "train/model/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "precision/base/check.h"

namespace precipice {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers lie in memory as in the file");

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;  // the format's own limit
constexpr const char* kMetadata = "__metadata__";

[[noreturn]] void refuse_safetensors(const std::string& name, const std::string& problem) {
  throw DataError(name + ": " + problem);
}

std::uint64_t header_length(const std::string& bytes) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  return length;
}

// The beginning of a text that a file may have made as long as it likes.
std::string beginning(const std::string& text) {
  constexpr std::size_t kMostShown = 100;
  return text.size() <= kMostShown ? text : text.substr(0, kMostShown) + "...";
}

struct Entry {
  std::string name;
  std::uint64_t begin, end;  // in bytes of the data
  std::vector<std::int64_t> shape;
};

// Positive sizes whose product is `elements`.
std::vector<std::int64_t> read_shape(const nlohmann::json& sizes, std::uint64_t elements, const std::string& where) {
  constexpr const char* kProblem = "its shape and its data disagree";
  std::vector<std::int64_t> shape;
  std::uint64_t product = 1;
  if (!sizes.is_array()) refuse_safetensors(where, kProblem);
  for (const nlohmann::json& extent : sizes) {
    const std::uint64_t size = extent.is_number_unsigned() ? extent.get<std::uint64_t>() : 0;
    if (size == 0 || product > elements / size) refuse_safetensors(where, kProblem);
    product *= size;
    shape.push_back(static_cast<std::int64_t>(size));
  }
  if (product != elements) refuse_safetensors(where, kProblem);
  return shape;
}

Entry read_entry(const nlohmann::json& entry, const std::string& name, std::uint64_t bytes, const std::string& where) {
  const auto type = entry.at("dtype").get<std::string>();
  if (type != "F32") refuse_safetensors(where, "holds numbers of type " + beginning(type) + "; weights are F32");
  const nlohmann::json& offsets = entry.at("data_offsets");
  if (offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
    refuse_safetensors(where, "data_offsets must be two whole numbers");
  const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > bytes) refuse_safetensors(where, "its data lies outside the file");
  if ((end - begin) % sizeof(float) != 0) refuse_safetensors(where, "its data is no whole number of float32");
  return {name, begin, end, read_shape(entry.at("shape"), (end - begin) / sizeof(float), where)};
}

// Nothing is copied before it is known that no byte belongs to two arrays.
std::vector<NamedArray> read_arrays(const nlohmann::json& header, std::string_view data, const std::string& file) {
  std::vector<Entry> entries;
  for (const auto& [key, entry] : header.items())
    if (key != kMetadata) entries.push_back(read_entry(entry, key, data.size(), file + ": " + beginning(key)));
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.begin < b.begin; });
  std::uint64_t reached = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != reached)
      refuse_safetensors(file + ": " + beginning(entry.name), "overlaps another array, or there is a gap before it");
    reached = entry.end;
  }
  if (reached != data.size()) refuse_safetensors(file, "has bytes behind its last array");
  std::vector<NamedArray> arrays;
  for (Entry& entry : entries) {
    std::vector<float> values((entry.end - entry.begin) / sizeof(float));
    std::memcpy(values.data(), data.data() + entry.begin, entry.end - entry.begin);
    arrays.push_back({std::move(entry.name), std::move(entry.shape), std::move(values)});
  }
  std::sort(arrays.begin(), arrays.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return arrays;
}

}  // namespace

std::string to_safetensors(const std::vector<NamedArray>& arrays, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  header[kMetadata] = metadata;
  std::uint64_t offset = 0;
  for (const NamedArray& array : arrays) {
    PRECIPICE_CHECK(!header.contains(array.name), "two arrays are called ", array.name);
    const std::uint64_t end = offset + array.values.size() * sizeof(float);
    header[array.name] = {{"dtype", "F32"}, {"shape", array.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes, ' ');
  const std::uint64_t length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&length), kLengthBytes);
  bytes.reserve(kLengthBytes + length + offset);
  bytes += text;
  for (const NamedArray& array : arrays)
    bytes.append(reinterpret_cast<const char*>(array.values.data()), array.values.size() * sizeof(float));
  return bytes;
}

bool looks_like_safetensors(const std::string& bytes) {
  return bytes.size() > kLengthBytes && header_length(bytes) <= kMaxHeader && bytes[kLengthBytes] == '{';
}

std::vector<NamedArray> from_safetensors(const std::string& bytes, const std::string& name) {
  if (!looks_like_safetensors(bytes)) refuse_safetensors(name, "is no safetensors file");
  const std::uint64_t length = header_length(bytes);
  if (length > bytes.size() - kLengthBytes) refuse_safetensors(name, "is cut off inside its header");
  const std::string_view all = bytes;
  try {
    const nlohmann::json header = nlohmann::json::parse(all.substr(kLengthBytes, length));
    if (!header.is_object()) refuse_safetensors(name, "its header is no JSON object");
    return read_arrays(header, all.substr(kLengthBytes + length), name);
  } catch (const nlohmann::json::exception& error) {
    refuse_safetensors(name, "its header cannot be read: " + beginning(error.what()));
  }
}

}  // namespace precipice
