// SPDX-License-Identifier: Apache-2.0
// Owned HDF5 identifiers and HDF5's error text; private to metrics/hdf5_*.cpp, the only files that include HDF5.
#pragma once

#include <hdf5.h>
#include <hdf5_hl.h>

#include <mutex>
#include <string>
#include <utility>

namespace precipice {

// The library need not be thread-safe, though Debian's is, and its high-level part (H5DS) never is: who has a reader or a
// writer has the library for itself, and other threads wait. A thread may have several. A fork's one thread begins anew,
// whatever it had: it would be another than the one that has the lock.
class Hdf5Lock {
 public:
  Hdf5Lock() : held_(library()) {}

 private:
  static std::recursive_mutex& library();
  std::unique_lock<std::recursive_mutex> held_;
};

// Owner of one identifier, of whatever kind.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Handle() {
    if (valid()) close_(id_);
  }
  bool valid() const { return id_ >= 0; }
  hid_t get() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

// To be called before anything else: silences the library's printing and its exit handler, which crashes after a write
// error. The caller has a Hdf5Lock.
void prepare_hdf5();

// The innermost message on HDF5's error stack, which is then cleared.
std::string hdf5_error_text();

// A name for a file in memory, never given twice: the library takes two open ones of one name for the same file. It is
// not stored in the file.
std::string memory_file_name();

// The file image `bytes` (which must outlive the handle), opened read-only and without a copy; invalid when it is none.
Hdf5Handle open_hdf5_image(const std::string& bytes);

// A variable-length UTF-8 string.
Hdf5Handle make_hdf5_string_type();

}  // namespace precipice
