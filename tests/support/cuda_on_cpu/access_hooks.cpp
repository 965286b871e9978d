// SPDX-License-Identifier: Apache-2.0
// The compiler's calls at every load and store of code that was compiled with -fsanitize=thread, which kernels.cpp is.
// GCC's and Clang's own run-time library behind these names is not linked; the names and meanings are those of
// compiler-rt's tsan_interface.h.
#include <cstddef>
#include <cstring>

#include "tests/support/cuda_on_cpu/block_threads.h"

using cuda_on_cpu::Access;

namespace {

void look(const void* at, std::size_t bytes, Access access) {
  cuda_on_cpu::look_at(at, bytes, access);
}

// At a multiple of its bytes, as a GPU needs it.
void look_aligned(const void* at, std::size_t bytes, Access access) {
  cuda_on_cpu::look_at(at, bytes, access, bytes);
}

}  // namespace

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void* /*caller*/) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void** /*at*/, void* /*value*/) {}
void __tsan_vptr_read(void** at) {
  look(at, sizeof(void*), Access::Read);
}

#define CUDA_ON_CPU_HOOKS(bytes)                 \
  void __tsan_read##bytes(void* at) {            \
    look_aligned(at, bytes, Access::Read);       \
  }                                              \
  void __tsan_write##bytes(void* at) {           \
    look_aligned(at, bytes, Access::Write);      \
  }                                              \
  void __tsan_unaligned_read##bytes(void* at) {  \
    look(at, bytes, Access::Read);               \
  }                                              \
  void __tsan_unaligned_write##bytes(void* at) { \
    look(at, bytes, Access::Write);              \
  }                                              \
  void __tsan_volatile_read##bytes(void* at) {   \
    look_aligned(at, bytes, Access::Read);       \
  }                                              \
  void __tsan_volatile_write##bytes(void* at) {  \
    look_aligned(at, bytes, Access::Write);      \
  }
CUDA_ON_CPU_HOOKS(1)
CUDA_ON_CPU_HOOKS(2)
CUDA_ON_CPU_HOOKS(4)
CUDA_ON_CPU_HOOKS(8)
CUDA_ON_CPU_HOOKS(16)
#undef CUDA_ON_CPU_HOOKS

void __tsan_read_range(void* at, std::size_t bytes) {
  look(at, bytes, Access::Read);
}
void __tsan_write_range(void* at, std::size_t bytes) {
  look(at, bytes, Access::Write);
}

// Host code in the same files: guards of static variables.
unsigned char __tsan_atomic8_load(const volatile unsigned char* at, int /*order*/) {
  return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

// Clang's, in the place of the functions themselves.
void* __tsan_memcpy(void* to, const void* from, std::size_t bytes) {
  look(from, bytes, Access::Read);
  look(to, bytes, Access::Write);
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, std::size_t bytes) {
  look(from, bytes, Access::Read);
  look(to, bytes, Access::Write);
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int byte, std::size_t bytes) {
  look(to, bytes, Access::Write);
  return std::memset(to, byte, bytes);
}
}
