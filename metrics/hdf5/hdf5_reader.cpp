// SPDX-License-Identifier: Apache-2.0
// Reading what may be damaged or hostile: names are followed through hard links only, and a dataset is read only when
// its type, extent, chunks, filters and stored size are of the kind that this project writes.
#include <algorithm>
#include <limits>

#include "metrics/files/files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/hdf5/hdf5_handles.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{16} << 30;
constexpr std::uint64_t kMaxChunkBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxTextBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxStrings = std::uint64_t{1} << 20;
constexpr std::size_t kMaxNames = 1 << 16;
// deflate shrinks by at most 1032, so an extent beyond this multiple of the bytes stored is a lie or was never written.
constexpr std::uint64_t kMaxInflation = 2048;

enum class Kind { Binary32, Binary64, Integer, String, Other };

Kind kind_of(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_FLOAT:
      if (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0) return Kind::Binary32;
      if (H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0) return Kind::Binary64;
      return Kind::Other;
    case H5T_INTEGER:
      return H5Tget_size(type) <= 8 ? Kind::Integer : Kind::Other;
    case H5T_STRING:
      return Kind::String;
    default:
      return Kind::Other;
  }
}

// A string type in memory that the file's type converts to.
Hdf5Handle memory_string_type(hid_t file_type) {
  Hdf5Handle type = make_hdf5_string_type();
  H5Tset_cset(type.get(), H5Tget_cset(file_type));
  return type;
}

herr_t keep_name(hid_t, const char* name, const H5L_info_t*, void* out) {
  auto& names = *static_cast<std::vector<std::string>*>(out);
  if (names.size() >= kMaxNames) return -1;
  names.emplace_back(name);
  return 0;
}

}  // namespace

struct Hdf5Reader::Impl {
  Hdf5Lock lock;  // the first to come, the last to go
  std::string name;
  std::string bytes;
  Hdf5Handle file;
  // The group whose names were looked up last: files are read group by group, and a path from the root is a walk.
  mutable std::string folder_path;
  mutable Hdf5Handle folder;

  [[noreturn]] void refuse(const std::string& path, const std::string& why) const {
    throw DataError(name + ": " + path + ": " + why);
  }
  [[noreturn]] void refuse_by_library(const std::string& path) const { refuse(path, hdf5_error_text()); }

  // A link as the library's calls take it: by its name in a group that is open.
  struct Link {
    hid_t group;
    std::string name;
  };

  // `link`: of `path`, when it is reached through hard links only; otherwise what is in the way, and nothing when not.
  std::string find(const std::string& path, Link& link) const {
    PRECIPICE_CHECK(!path.empty() && path.front() == '/', "HDF5 path \"", path, "\"");
    const std::size_t slash = path.rfind('/');
    link = {file.get(), path};
    if (slash > 0) {
      const std::string why = enter(path.substr(0, slash));
      if (!why.empty()) return why;
      link = {folder.get(), path.substr(slash + 1)};
    }
    return path.size() == 1 ? "" : obstacle(link);
  }

  static std::string obstacle(const Link& link) {
    H5L_info_t info;
    if (H5Lget_info(link.group, link.name.c_str(), &info, H5P_DEFAULT) < 0) {
      H5Eclear2(H5E_DEFAULT);
      return "not found";
    }
    return info.type == H5L_TYPE_HARD ? "" : "soft and external links are not followed";
  }

  // Opens the group as `folder`. "", or what is in the way.
  std::string enter(const std::string& path) const {
    if (path == folder_path) return "";
    Link link{};
    const std::string why = find(path, link);
    if (!why.empty()) return why;
    Hdf5Handle group(H5Gopen2(link.group, link.name.c_str(), H5P_DEFAULT), H5Gclose);
    if (!group.valid()) {
      H5Eclear2(H5E_DEFAULT);
      return "not found";  // what is no group holds nothing
    }
    folder_path = path;
    folder = std::move(group);
    return "";
  }

  Link link_to(const std::string& path, const std::string& shown) const {
    Link link{};
    const std::string why = find(path, link);
    if (!why.empty()) refuse(shown, why);
    return link;
  }

  // A dataset is read whole and once: its chunks need no cache, whose table would be made for each.
  static hid_t without_chunk_cache() {
    static const hid_t list = [] {
      const hid_t made = H5Pcreate(H5P_DATASET_ACCESS);
      H5Pset_chunk_cache(made, 0, 0, H5D_CHUNK_CACHE_W0_DEFAULT);
      return made;
    }();
    return list;
  }

  Hdf5Handle open_dataset(const std::string& path) const {
    const Link link = link_to(path, path);
    Hdf5Handle dataset(H5Dopen2(link.group, link.name.c_str(), without_chunk_cache()), H5Dclose);
    if (!dataset.valid()) refuse_by_library(path);
    return dataset;
  }

  // Extents and their product, at most `max_elements`.
  std::vector<std::uint64_t> extents(hid_t space, const std::string& path, std::uint64_t max_elements) const {
    if (H5Sget_simple_extent_type(space) == H5S_NULL) refuse(path, "has no value");
    const int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0) refuse_by_library(path);
    std::vector<hsize_t> dims(static_cast<std::size_t>(rank));
    if (rank > 0 && H5Sget_simple_extent_dims(space, dims.data(), nullptr) < 0) refuse_by_library(path);
    std::uint64_t elements = 1;
    for (const hsize_t extent : dims) {
      if (extent != 0 && elements > max_elements / extent)
        refuse(path, join_parts("more than ", max_elements, " elements"));
      elements *= extent;
    }
    return {dims.begin(), dims.end()};
  }

  void check_storage(hid_t dataset, const std::string& path, std::uint64_t elements, std::size_t element_bytes) const {
    const Hdf5Handle layout(H5Dget_create_plist(dataset), H5Pclose);
    if (!layout.valid()) refuse_by_library(path);
    if (H5Pget_external_count(layout.get()) != 0) refuse(path, "its data lies outside the file");
    const H5D_layout_t kind = H5Pget_layout(layout.get());
    if (kind != H5D_COMPACT && kind != H5D_CONTIGUOUS && kind != H5D_CHUNKED) refuse(path, "virtual storage");
    for (int i = 0; i < std::max(0, H5Pget_nfilters(layout.get())); ++i) {
      unsigned flags = 0;
      std::size_t values = 0;
      const H5Z_filter_t filter =
          H5Pget_filter2(layout.get(), static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr);
      if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
        refuse(path, "only the filters gzip, shuffle and fletcher32 are allowed");
    }
    if (kind == H5D_CHUNKED) check_chunks(layout.get(), path, element_bytes);
    if (elements * element_bytes > H5Dget_storage_size(dataset) * kMaxInflation)
      refuse(path, "claims more data than is stored");
  }

  void check_chunks(hid_t layout, const std::string& path, std::uint64_t chunk_bytes) const {
    hsize_t chunk[H5S_MAX_RANK];
    const int rank = H5Pget_chunk(layout, H5S_MAX_RANK, chunk);
    if (rank < 0) refuse_by_library(path);
    for (int i = 0; i < rank; ++i) {
      if (chunk[i] > kMaxChunkBytes / std::max<std::uint64_t>(1, chunk_bytes)) refuse(path, "a chunk is too large");
      chunk_bytes *= chunk[i];
    }
  }

  template <class T>
  std::vector<T> read_numbers(const std::string& path, hid_t memory_type, std::initializer_list<Kind> allowed,
                              const char* wanted, std::uint64_t max_elements) const {
    const Hdf5Handle dataset = open_dataset(path);
    const Hdf5Handle type(H5Dget_type(dataset.get()), H5Tclose);
    if (std::find(allowed.begin(), allowed.end(), kind_of(type.get())) == allowed.end())
      refuse(path, std::string("wrong type; it must hold ") + wanted);
    const Hdf5Handle space(H5Dget_space(dataset.get()), H5Sclose);
    std::uint64_t elements = 1;
    for (const std::uint64_t extent : extents(space.get(), path, max_elements)) elements *= extent;
    check_storage(dataset.get(), path, elements, H5Tget_size(type.get()));
    std::vector<T> values(elements);
    if (elements > 0 && H5Dread(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)
      refuse_by_library(path);
    return values;
  }

  // Strings of a dataset or an attribute through `read(memory_type, buffer)`.
  template <class Read>
  std::vector<std::string> read_string_values(const std::string& path, hid_t type, hid_t space, int rank,
                                              const Read& read) const {
    if (kind_of(type) != Kind::String) refuse(path, "wrong type; it must hold text");
    const std::vector<std::uint64_t> shape = extents(space, path, kMaxStrings);
    if (static_cast<int>(shape.size()) != rank) refuse(path, join_parts("its rank must be ", rank));
    const std::uint64_t count = rank == 0 ? 1 : shape[0];
    if (count == 0) return {};
    if (H5Tis_variable_str(type) <= 0) return read_fixed_strings(path, type, count, read);
    const Hdf5Handle memory = memory_string_type(type);
    std::vector<char*> pointers(count, nullptr);
    if (!read(memory.get(), pointers.data())) refuse_by_library(path);
    std::vector<std::string> texts;
    for (const char* pointer : pointers) texts.emplace_back(pointer == nullptr ? "" : pointer);
    H5Dvlen_reclaim(memory.get(), space, H5P_DEFAULT, pointers.data());
    return texts;
  }

  template <class Read>
  std::vector<std::string> read_fixed_strings(const std::string& path, hid_t type, std::uint64_t count,
                                              const Read& read) const {
    const std::size_t size = H5Tget_size(type);
    if (size == 0 || size > kMaxTextBytes / count)
      refuse(path, join_parts("more than ", kMaxTextBytes, " bytes of text"));
    std::string raw(size * count, '\0');
    if (!read(type, raw.data())) refuse_by_library(path);
    std::vector<std::string> texts;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string text = raw.substr(i * size, size);
      texts.push_back(text.substr(0, text.find('\0')));
    }
    return texts;
  }

  std::vector<std::string> read_dataset_strings(const std::string& path, int rank) const {
    const Hdf5Handle dataset = open_dataset(path);
    const Hdf5Handle type(H5Dget_type(dataset.get()), H5Tclose);
    const Hdf5Handle space(H5Dget_space(dataset.get()), H5Sclose);
    const std::vector<std::uint64_t> shape = extents(space.get(), path, kMaxStrings);
    check_storage(dataset.get(), path, shape.empty() ? 1 : shape[0], std::max<std::size_t>(1, H5Tget_size(type.get())));
    return read_string_values(path, type.get(), space.get(), rank, [&](hid_t memory, void* out) {
      return H5Dread(dataset.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0;
    });
  }
};

Hdf5Reader::Hdf5Reader(const std::filesystem::path& path) : Hdf5Reader(read_file(path, kMaxFileBytes), path.string()) {}

Hdf5Reader::Hdf5Reader(std::string bytes, const std::string& name) : impl_(std::make_unique<Impl>()) {
  prepare_hdf5();
  impl_->name = name;
  impl_->bytes = std::move(bytes);
  if (impl_->bytes.empty()) throw DataError(name + ": not an HDF5 file (empty)");
  impl_->file = open_hdf5_image(impl_->bytes);
  if (!impl_->file.valid()) throw DataError(name + ": not a readable HDF5 file: " + hdf5_error_text());
}

Hdf5Reader::~Hdf5Reader() = default;

bool Hdf5Reader::has(const std::string& path) const {
  Impl::Link link{};
  return impl_->find(path, link).empty();
}

std::vector<std::string> Hdf5Reader::names(const std::string& group) const {
  const Impl::Link link = impl_->link_to(group, group);
  const Hdf5Handle handle(H5Gopen2(link.group, link.name.c_str(), H5P_DEFAULT), H5Gclose);
  if (!handle.valid()) impl_->refuse_by_library(group);
  std::vector<std::string> names;
  if (H5Literate(handle.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, keep_name, &names) < 0)
    impl_->refuse_by_library(group);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::uint64_t> Hdf5Reader::shape(const std::string& path) const {
  const Hdf5Handle dataset = impl_->open_dataset(path);
  const Hdf5Handle space(H5Dget_space(dataset.get()), H5Sclose);
  return impl_->extents(space.get(), path, std::numeric_limits<std::uint64_t>::max());
}

std::vector<double> Hdf5Reader::read_doubles(const std::string& path, std::uint64_t max_elements) const {
  return impl_->read_numbers<double>(path, H5T_NATIVE_DOUBLE, {Kind::Binary32, Kind::Binary64},
                                     "binary32 or binary64 numbers", max_elements);
}

std::vector<float> Hdf5Reader::read_floats(const std::string& path, std::uint64_t max_elements) const {
  return impl_->read_numbers<float>(path, H5T_NATIVE_FLOAT, {Kind::Binary32}, "binary32 numbers", max_elements);
}

std::vector<std::int64_t> Hdf5Reader::read_integers(const std::string& path, std::uint64_t max_elements) const {
  return impl_->read_numbers<std::int64_t>(path, H5T_NATIVE_INT64, {Kind::Integer}, "integers", max_elements);
}

std::string Hdf5Reader::read_text(const std::string& path) const {
  return impl_->read_dataset_strings(path, 0)[0];
}

std::vector<std::string> Hdf5Reader::read_strings(const std::string& path) const {
  return impl_->read_dataset_strings(path, 1);
}

bool Hdf5Reader::has_attribute(const std::string& path, const std::string& name) const {
  const Impl::Link link = impl_->link_to(path, path + "@" + name);
  return H5Aexists_by_name(link.group, link.name.c_str(), name.c_str(), H5P_DEFAULT) > 0;
}

std::string Hdf5Reader::attribute_text(const std::string& path, const std::string& name) const {
  const std::string what = path + "@" + name;
  const Impl::Link link = impl_->link_to(path, what);
  const Hdf5Handle attribute(H5Aopen_by_name(link.group, link.name.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
                             H5Aclose);
  if (!attribute.valid()) impl_->refuse(what, "no such attribute: " + hdf5_error_text());
  const Hdf5Handle type(H5Aget_type(attribute.get()), H5Tclose);
  const Hdf5Handle space(H5Aget_space(attribute.get()), H5Sclose);
  return impl_->read_string_values(what, type.get(), space.get(), 0, [&](hid_t memory, void* out) {
    return H5Aread(attribute.get(), memory, out) >= 0;
  })[0];
}

}  // namespace precipice
