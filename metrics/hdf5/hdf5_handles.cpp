// SPDX-License-Identifier: Apache-2.0
// The few calls that the HDF5 reader and writer share.
#include "metrics/hdf5/hdf5_handles.h"

#include <atomic>
#include <cstdint>

namespace precipice {

std::recursive_mutex& Hdf5Lock::library() {
  // Never freed: readers may be destroyed at the end of the program, and in a fork.
  static std::recursive_mutex* current = [] {
    pthread_atfork(nullptr, nullptr, [] { current = new std::recursive_mutex; });
    return new std::recursive_mutex;
  }();
  return *current;
}

void prepare_hdf5() {
  static const bool done = [] {
    H5dont_atexit();  // only counts before the library opens
    H5open();
    return true;
  }();
  // Where the library is thread-safe, each thread has an error stack of its own.
  thread_local const bool silent = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  static_cast<void>(done && silent);
}

std::string hdf5_error_text() {
  std::string text;
  const auto keep_innermost = [](unsigned position, const H5E_error2_t* error, void* out) -> herr_t {
    if (position == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "HDF5 gives no reason" : text;
}

std::string memory_file_name() {
  // The library looks for such a file on the disk first; below /dev/null there is none, which the system knows at once.
  static std::atomic<std::uint64_t> count{0};
  return "/dev/null/precipice-memory-" + std::to_string(count.fetch_add(1));
}

Hdf5Handle open_hdf5_image(const std::string& bytes) {
  // "Allocating" the image hands out our bytes and "copying" it does nothing, so that it is never copied: the core
  // driver would make two copies. It is opened read-only, so nothing is written through the pointer.
  H5FD_file_image_callbacks_t callbacks{};
  callbacks.image_malloc = [](std::size_t, H5FD_file_image_op_t, void* image) { return image; };
  callbacks.image_memcpy = [](void* to, const void*, std::size_t, H5FD_file_image_op_t, void*) { return to; };
  callbacks.image_realloc = [](void*, std::size_t, H5FD_file_image_op_t, void*) -> void* { return nullptr; };
  callbacks.image_free = [](void*, H5FD_file_image_op_t, void*) -> herr_t { return 0; };
  callbacks.udata_copy = [](void* image) { return image; };
  callbacks.udata_free = [](void*) -> herr_t { return 0; };
  callbacks.udata = const_cast<char*>(bytes.data());
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_core(access.get(), 1 << 20, false);
  H5Pset_file_image_callbacks(access.get(), &callbacks);
  H5Pset_file_image(access.get(), callbacks.udata, bytes.size());
  const std::string name = memory_file_name();
  return {H5Fopen(name.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose};
}

Hdf5Handle make_hdf5_string_type() {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

}  // namespace precipice
