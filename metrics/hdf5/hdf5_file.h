// SPDX-License-Identifier: Apache-2.0
// HDF5 behind RAII over the C API; only metrics/hdf5_* include it. Files are built in memory (core driver) and leave as
// bytes, which the caller publishes by rename: HDF5 never writes a result itself (a full disk makes it claim success or
// crash) and never opens one (no locks). Equal contents give equal bytes: libver bounds (EARLIEST, V110), no object
// times. (A low bound from V18 on makes H5Fget_file_image write a wrong superblock checksum before HDF5 2.0.)
// Reading: our own schema by name only, through hard links inside the file; type, rank, extent, filters and stored size
// are checked before anything is allocated. Readers and writers belong to the thread that made them; while one
// lives, other threads wait for theirs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace precipice {

class Hdf5Writer {
 public:
  Hdf5Writer();
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  // Paths are absolute ("/metrics/train_loss"); parent groups are made. More than one number: chunked, gzip 4 + shuffle
  // + fletcher32, fill value NaN (floating) or -1 (integers). Throws OutputError, in all calls, when HDF5 fails (a path
  // that exists already, no memory).
  void write(const std::string& path, std::span<const double> values, const std::vector<std::uint64_t>& shape);
  void write(const std::string& path, std::span<const float> values, const std::vector<std::uint64_t>& shape);
  void write(const std::string& path, std::span<const std::int64_t> values, const std::vector<std::uint64_t>& shape);
  void write(const std::string& path, const std::string& text);                  // one variable-length UTF-8 string
  void write(const std::string& path, const std::vector<std::string>& strings);  // 1-D array of strings; no NUL inside
  // Attributes of a dataset, of a group that exists, or of the root "/".
  void attribute(const std::string& path, const std::string& name, const std::string& value);
  void attribute(const std::string& path, const std::string& name, const std::vector<std::string>& values);  // 1-D
  void attribute(const std::string& path, const std::string& name, std::int64_t value);
  void attribute(const std::string& path, const std::string& name, double value);
  // Dimension scales (H5DS): `scale` becomes a scale named `dimension` and is attached to dimension `index` of
  // `dataset`.
  void make_scale(const std::string& scale, const std::string& dimension);
  void attach_scale(const std::string& dataset, const std::string& scale, unsigned index);

  // The finished file's bytes; re-opened from memory once to prove that they can be read. The writer is then empty:
  // no further call is allowed.
  std::string finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Hdf5Reader {
 public:
  // Reads the whole file into memory. Throws DataError naming the path and HDF5's reason, in all calls.
  explicit Hdf5Reader(const std::filesystem::path& path);
  // The same for bytes in memory; `name` is for messages.
  Hdf5Reader(std::string bytes, const std::string& name);
  ~Hdf5Reader();
  Hdf5Reader(const Hdf5Reader&) = delete;
  Hdf5Reader& operator=(const Hdf5Reader&) = delete;

  bool has(const std::string& path) const;                         // reached through hard links only
  std::vector<std::string> names(const std::string& group) const;  // links directly inside a group, sorted
  std::vector<std::uint64_t> shape(const std::string& path) const;
  // Row-major values. Doubles and floats from IEEE binary32 or binary64 (floats from binary32 only: nothing is rounded
  // in silence), integers from any integer of at most 64 bits.
  std::vector<double> read_doubles(const std::string& path, std::uint64_t max_elements = std::uint64_t{1} << 28) const;
  std::vector<float> read_floats(const std::string& path, std::uint64_t max_elements = std::uint64_t{1} << 30) const;
  std::vector<std::int64_t> read_integers(const std::string& path,
                                          std::uint64_t max_elements = std::uint64_t{1} << 28) const;
  std::string read_text(const std::string& path) const;                  // a scalar string
  std::vector<std::string> read_strings(const std::string& path) const;  // a 1-D array of strings
  std::string attribute_text(const std::string& path, const std::string& name) const;
  bool has_attribute(const std::string& path, const std::string& name) const;  // of a path that is there

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace precipice
