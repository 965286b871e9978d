// SPDX-License-Identifier: Apache-2.0
#include "train/run/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "metrics/files/directory.h"
#include "metrics/files/files.h"
#include "metrics/files/packed_runs.h"
#include "precision/base/check.h"
#include "precision/base/parse_number.h"

namespace precipice {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "PRCPCKP1";
constexpr std::size_t kPrefixBytes = 16;  // magic, header size, CRC
constexpr std::size_t kSizeOffset = 8;
constexpr std::size_t kCrcOffset = 12;
constexpr std::uint32_t kMaxHeaderBytes = 64u << 20;
constexpr std::uint64_t kMaxCheckpointBytes = std::uint64_t{1} << 40;
constexpr std::string_view kNamePrefix = "step_", kNameSuffix = ".ckpt";

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::string encode_header(const Checkpoint& checkpoint) {
  nlohmann::json numbers = nlohmann::json::object(), arrays = nlohmann::json::array();
  for (const auto& [name, value] : checkpoint.numbers) numbers[name] = std::bit_cast<std::uint64_t>(value);
  for (const NamedArray& array : checkpoint.arrays) {
    std::size_t size = 1;
    for (const std::int64_t extent : array.shape) size *= static_cast<std::size_t>(extent);
    PRECIPICE_CHECK(size == array.values.size(), array.name, ": ", array.values.size(), " values for ", size);
    arrays.push_back({{"name", array.name}, {"shape", array.shape}, {"crc", crc32c(bytes_of(array.values))}});
  }
  const nlohmann::json header{
      {"identity", checkpoint.identity}, {"step", checkpoint.step}, {"numbers", numbers}, {"arrays", arrays}};
  return header.dump();
}

[[noreturn]] void throw_damaged(const std::string& name, std::size_t offset, const std::string& what) {
  throw DataError(fmt::format("{}: damaged checkpoint: {} at byte {}", name, what, offset));
}

// The header's text, after its CRC has been checked.
std::string_view checked_header(const std::string& name, std::string_view file) {
  if (!file.starts_with(kMagic)) throw DataError(name + ": not a checkpoint (no PRCPCKP1 at byte 0)");
  if (file.size() < kPrefixBytes) throw_damaged(name, file.size(), "the file ends inside the header");
  std::uint32_t size = 0, crc = 0;
  std::memcpy(&size, file.data() + kSizeOffset, sizeof size);
  std::memcpy(&crc, file.data() + kCrcOffset, sizeof crc);
  if (size > kMaxHeaderBytes || size > file.size() - kPrefixBytes)
    throw_damaged(name, kSizeOffset, fmt::format("header of {} bytes in a file of {}", size, file.size()));
  const std::string_view header = file.substr(kPrefixBytes, size);
  if (crc32c(header, crc32c(file.substr(0, kCrcOffset))) != crc)
    throw_damaged(name, kPrefixBytes, "the header's checksum is wrong");
  return header;
}

// Number of values, which must lie in the bytes that are left: nothing is allocated before.
std::size_t array_size(const std::vector<std::int64_t>& shape, std::size_t bytes_left) {
  std::size_t size = std::find(shape.begin(), shape.end(), 0) == shape.end() ? 1 : 0;
  for (const std::int64_t extent : shape) {
    if (extent < 0) throw DataError("a negative extent");
    if (extent > 0 && size > bytes_left / sizeof(float) / static_cast<std::size_t>(extent))
      throw DataError("more values than bytes");
    size *= static_cast<std::size_t>(extent);
  }
  return size;
}

NamedArray read_array(const nlohmann::json& entry, std::string_view& left) {
  NamedArray array{entry.at("name").get<std::string>(), entry.at("shape").get<std::vector<std::int64_t>>(), {}};
  const std::size_t size = array_size(array.shape, left.size());
  const std::string_view bytes = left.substr(0, size * sizeof(float));
  if (bytes.size() != size * sizeof(float) || crc32c(bytes) != entry.at("crc").get<std::uint32_t>())
    throw DataError(array.name + ": the checksum is wrong");
  array.values.resize(size);
  if (size > 0) std::memcpy(array.values.data(), bytes.data(), bytes.size());
  left.remove_prefix(bytes.size());
  return array;
}

// The step in a checkpoint's name, or nothing for any other name.
std::optional<std::int64_t> step_of(std::string_view name) {
  if (!name.starts_with(kNamePrefix) || !name.ends_with(kNameSuffix)) return std::nullopt;
  name.remove_prefix(kNamePrefix.size());
  name.remove_suffix(kNameSuffix.size());
  const auto step = parse_number<std::int64_t>(name);
  if (!step || *step < 0 || fmt::format("{:08}", *step) != name) return std::nullopt;
  return step;
}

std::string checkpoint_name(std::int64_t step) {
  return fmt::format("{}{:08}{}", kNamePrefix, step, kNameSuffix);
}

}  // namespace

fs::path checkpoint_path(const fs::path& directory, std::int64_t step) {
  return directory / checkpoint_name(step);
}

std::string encode_checkpoint(const Checkpoint& checkpoint) {
  const std::string header = encode_header(checkpoint);
  PRECIPICE_CHECK(header.size() <= kMaxHeaderBytes, "header of ", header.size(), " bytes");
  std::size_t total = kPrefixBytes + header.size();
  for (const NamedArray& array : checkpoint.arrays) total += bytes_of(array.values).size();

  std::string file;
  file.reserve(total);
  file += kMagic;
  const auto header_size = static_cast<std::uint32_t>(header.size());
  file.append(reinterpret_cast<const char*>(&header_size), sizeof header_size);
  const std::uint32_t crc = crc32c(header, crc32c(file));
  file.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  file += header;
  for (const NamedArray& array : checkpoint.arrays) file += bytes_of(array.values);
  return file;
}

void write_checkpoint(const fs::path& directory, const Checkpoint& checkpoint, std::span<const std::int64_t> kept) {
  make_directories(directory);
  write_checkpoint_into(directory, checkpoint, kept);
}

void store_checkpoint(const Directory& directory, const Checkpoint& checkpoint) {
  directory.write_atomic(checkpoint_name(checkpoint.step), encode_checkpoint(checkpoint));
}

void write_checkpoint_into(const Directory& directory, const Checkpoint& checkpoint,
                           std::span<const std::int64_t> kept) {
  store_checkpoint(directory, checkpoint);

  std::vector<std::int64_t> others = checkpoint_steps(directory.path());
  std::erase(others, checkpoint.step);
  const auto newer = std::lower_bound(others.begin(), others.end(), checkpoint.step);
  if (newer != others.begin()) others.erase(newer - 1);
  for (const std::int64_t step : others)
    if (step > checkpoint.step || std::ranges::find(kept, step) == kept.end()) directory.remove(checkpoint_name(step));
}

Checkpoint read_checkpoint(const fs::path& path, const std::string& identity) {
  return parse_checkpoint(read_file(path, kMaxCheckpointBytes), path.string(), identity);
}

Checkpoint parse_checkpoint(std::string_view file, const std::string& name, const std::string& identity) {
  const std::string_view header = checked_header(name, file);
  std::string_view left = file.substr(kPrefixBytes + header.size());
  Checkpoint checkpoint;
  try {
    const nlohmann::json json = nlohmann::json::parse(header);
    checkpoint.identity = json.at("identity").get<std::string>();
    checkpoint.step = json.at("step").get<std::int64_t>();
    for (const auto& [key, bits] : json.at("numbers").items())
      checkpoint.numbers[key] = std::bit_cast<double>(bits.get<std::uint64_t>());
    for (const nlohmann::json& entry : json.at("arrays")) checkpoint.arrays.push_back(read_array(entry, left));
  } catch (const DataError& error) {
    throw_damaged(name, file.size() - left.size(), error.what());
  } catch (const nlohmann::json::exception& error) {
    throw_damaged(name, kPrefixBytes, "a header of another version");
  }
  if (!left.empty()) throw_damaged(name, file.size() - left.size(), fmt::format("{} bytes too many", left.size()));
  if (checkpoint.identity != identity)
    throw DataError(
        fmt::format("{}: checkpoint of another run ({}; this one is {})", name, checkpoint.identity, identity));
  return checkpoint;
}

std::vector<std::int64_t> checkpoint_steps(const fs::path& directory) {
  std::vector<std::int64_t> steps;
  std::error_code error;  // no directory yet: no checkpoints
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
    if (const auto step = step_of(it->path().filename().string())) steps.push_back(*step);
  if (error)
    for (const std::string& name : packed_names(directory))
      if (const auto step = step_of(name)) steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

}  // namespace precipice
