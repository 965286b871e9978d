// SPDX-License-Identifier: Apache-2.0
// Building an HDF5 file in memory.
#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "metrics/hdf5/hdf5_file.h"
#include "metrics/hdf5/hdf5_handles.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::uint64_t kChunkElements = 16384;
constexpr std::size_t kImageIncrement = 1 << 20;

[[noreturn]] void throw_output_error(const std::string& what) {
  throw OutputError("cannot build HDF5 file: " + what + ": " + hdf5_error_text());
}

void require(herr_t status, const std::string& what) {
  if (status < 0) throw_output_error(what);
}

Hdf5Handle require(Hdf5Handle handle, const std::string& what) {
  if (!handle.valid()) throw_output_error(what);
  return handle;
}

// How a C++ element type lies in the file and in memory, and what fills elements never written.
template <class T>
struct ElementType;
template <>
struct ElementType<double> {
  static hid_t file() { return H5T_IEEE_F64LE; }
  static hid_t memory() { return H5T_NATIVE_DOUBLE; }
  static constexpr double kFill = std::numeric_limits<double>::quiet_NaN();
};
template <>
struct ElementType<float> {
  static hid_t file() { return H5T_IEEE_F32LE; }
  static hid_t memory() { return H5T_NATIVE_FLOAT; }
  static constexpr float kFill = std::numeric_limits<float>::quiet_NaN();
};
template <>
struct ElementType<std::int64_t> {
  static hid_t file() { return H5T_STD_I64LE; }
  static hid_t memory() { return H5T_NATIVE_INT64; }
  static constexpr std::int64_t kFill = -1;
};

std::uint64_t element_count(const std::vector<std::uint64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
}

// Whole trailing dimensions as long as a chunk stays within kChunkElements.
std::vector<hsize_t> chunk_shape(const std::vector<std::uint64_t>& shape) {
  std::vector<hsize_t> chunk(shape.begin(), shape.end());
  std::uint64_t elements = element_count(shape);
  for (hsize_t& extent : chunk) {
    if (elements <= kChunkElements) break;
    const std::uint64_t rest = elements / extent;
    extent = std::max<std::uint64_t>(1, kChunkElements / rest);
    elements = rest * extent;
  }
  return chunk;
}

Hdf5Handle make_space(const std::vector<std::uint64_t>& shape) {
  if (shape.empty()) return {H5Screate(H5S_SCALAR), H5Sclose};
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  return {H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose};
}

Hdf5Handle make_layout() {
  Hdf5Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_obj_track_times(layout.get(), false);
  return layout;
}

void compress(const Hdf5Handle& layout, const std::vector<std::uint64_t>& shape) {
  const std::vector<hsize_t> chunk = chunk_shape(shape);
  H5Pset_chunk(layout.get(), static_cast<int>(chunk.size()), chunk.data());
  H5Pset_shuffle(layout.get());
  H5Pset_deflate(layout.get(), 4);
  H5Pset_fletcher32(layout.get());
}

Hdf5Handle create_memory_file() {
  Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_core(access.get(), kImageIncrement, false);
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_EARLIEST, H5F_LIBVER_V110);
  Hdf5Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  H5Pset_obj_track_times(creation.get(), false);  // of the root group
  const std::string name = memory_file_name();
  return require({H5Fcreate(name.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose}, name);
}

}  // namespace

struct Hdf5Writer::Impl {
  Hdf5Lock lock;  // the first to come, the last to go
  Hdf5Handle file;
  std::vector<std::string> datasets;

  hid_t id() const {
    PRECIPICE_CHECK(file.valid(), "the file is finished");
    return file.get();
  }

  void make_parents(const std::string& path) {
    PRECIPICE_CHECK(path.size() > 1 && path.front() == '/' && path.back() != '/', "HDF5 path \"", path, "\"");
    Hdf5Handle creation(H5Pcreate(H5P_GROUP_CREATE), H5Pclose);
    H5Pset_obj_track_times(creation.get(), false);
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      const std::string group = path.substr(0, slash);
      const htri_t exists = H5Lexists(id(), group.c_str(), H5P_DEFAULT);
      require(static_cast<herr_t>(exists), group);
      if (exists) continue;
      require({H5Gcreate2(id(), group.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Gclose}, group);
    }
  }

  void create_and_write(const std::string& path, hid_t file_type, hid_t memory_type, const Hdf5Handle& layout,
                        const std::vector<std::uint64_t>& shape, const void* values) {
    make_parents(path);
    const Hdf5Handle space = make_space(shape);
    const Hdf5Handle dataset = require(
        {H5Dcreate2(id(), path.c_str(), file_type, space.get(), H5P_DEFAULT, layout.get(), H5P_DEFAULT), H5Dclose},
        path);
    if (element_count(shape) > 0)
      require(H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), path);
    datasets.push_back(path);
  }

  template <class T>
  void write_numbers(const std::string& path, std::span<const T> values, const std::vector<std::uint64_t>& shape) {
    PRECIPICE_CHECK(element_count(shape) == values.size(), path, ": ", values.size(), " values");
    const Hdf5Handle layout = make_layout();
    if (values.size() > 1) compress(layout, shape);
    const T fill = ElementType<T>::kFill;
    H5Pset_fill_value(layout.get(), ElementType<T>::memory(), &fill);
    create_and_write(path, ElementType<T>::file(), ElementType<T>::memory(), layout, shape, values.data());
  }

  void write_strings(const std::string& path, std::span<const std::string> strings,
                     const std::vector<std::uint64_t>& shape) {
    std::vector<const char*> pointers;
    for (const std::string& text : strings) {
      PRECIPICE_CHECK(text.find('\0') == std::string::npos, path, ": a NUL character would cut the string");
      pointers.push_back(text.c_str());
    }
    const Hdf5Handle type = make_hdf5_string_type();
    create_and_write(path, type.get(), type.get(), make_layout(), shape, pointers.data());  // HDF5 filters no strings
  }

  void write_attribute(const std::string& path, const std::string& name, hid_t file_type, hid_t memory_type,
                       const void* value, const std::vector<std::uint64_t>& shape = {}) {
    const std::string what = path + "@" + name;
    const Hdf5Handle space = make_space(shape);
    const Hdf5Handle attribute = require({H5Acreate_by_name(id(), path.c_str(), name.c_str(), file_type, space.get(),
                                                            H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                                          H5Aclose},
                                         what);
    require(H5Awrite(attribute.get(), memory_type, value), what);
  }

  Hdf5Handle open(const std::string& path) const {
    return require({H5Dopen2(id(), path.c_str(), H5P_DEFAULT), H5Dclose}, path);
  }
};

Hdf5Writer::Hdf5Writer() : impl_(std::make_unique<Impl>()) {
  prepare_hdf5();
  impl_->file = create_memory_file();
}

Hdf5Writer::~Hdf5Writer() = default;

void Hdf5Writer::write(const std::string& path, std::span<const double> values,
                       const std::vector<std::uint64_t>& shape) {
  impl_->write_numbers(path, values, shape);
}

void Hdf5Writer::write(const std::string& path, std::span<const float> values,
                       const std::vector<std::uint64_t>& shape) {
  impl_->write_numbers(path, values, shape);
}

void Hdf5Writer::write(const std::string& path, std::span<const std::int64_t> values,
                       const std::vector<std::uint64_t>& shape) {
  impl_->write_numbers(path, values, shape);
}

void Hdf5Writer::write(const std::string& path, const std::string& text) {
  impl_->write_strings(path, std::span(&text, 1), {});
}

void Hdf5Writer::write(const std::string& path, const std::vector<std::string>& strings) {
  impl_->write_strings(path, strings, {strings.size()});
}

void Hdf5Writer::attribute(const std::string& path, const std::string& name, const std::string& value) {
  PRECIPICE_CHECK(value.find('\0') == std::string::npos, path, "@", name, ": a NUL character would cut the string");
  const Hdf5Handle type = make_hdf5_string_type();
  const char* const pointer = value.c_str();
  impl_->write_attribute(path, name, type.get(), type.get(), &pointer);
}

void Hdf5Writer::attribute(const std::string& path, const std::string& name, const std::vector<std::string>& values) {
  const Hdf5Handle type = make_hdf5_string_type();
  std::vector<const char*> pointers;
  for (const std::string& value : values) {
    PRECIPICE_CHECK(value.find('\0') == std::string::npos, path, "@", name, ": a NUL character would cut the string");
    pointers.push_back(value.c_str());
  }
  impl_->write_attribute(path, name, type.get(), type.get(), pointers.data(), {values.size()});
}

void Hdf5Writer::attribute(const std::string& path, const std::string& name, std::int64_t value) {
  impl_->write_attribute(path, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

void Hdf5Writer::attribute(const std::string& path, const std::string& name, double value) {
  impl_->write_attribute(path, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

void Hdf5Writer::make_scale(const std::string& scale, const std::string& dimension) {
  require(H5DSset_scale(impl_->open(scale).get(), dimension.c_str()), scale);
}

void Hdf5Writer::attach_scale(const std::string& dataset, const std::string& scale, unsigned index) {
  require(H5DSattach_scale(impl_->open(dataset).get(), impl_->open(scale).get(), index), dataset);
}

std::string Hdf5Writer::finish() {
  const hid_t file = impl_->id();
  require(H5Fflush(file, H5F_SCOPE_GLOBAL), "flush");
  const ssize_t size = H5Fget_file_image(file, nullptr, 0);
  if (size <= 0) throw_output_error("size of the image");
  std::string bytes(static_cast<std::size_t>(size), '\0');
  if (H5Fget_file_image(file, bytes.data(), bytes.size()) != size) throw_output_error("image");
  impl_->file = Hdf5Handle();

  const Hdf5Handle image = require(open_hdf5_image(bytes), "the finished image cannot be opened");
  for (const std::string& path : impl_->datasets)
    require({H5Dopen2(image.get(), path.c_str(), H5P_DEFAULT), H5Dclose}, "finished " + path);
  return bytes;
}

}  // namespace precipice
