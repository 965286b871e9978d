// SPDX-License-Identifier: Apache-2.0
// The instruction set that the array loops use, chosen once in a process: the best that the CPU has, or the one that
// PRECIPICE_ISA names.
#pragma once

#include <cstddef>
#include <string>

namespace precipice {

struct QuantizeKernels;

struct Isa {
  std::string name;
  const QuantizeKernels* kernels;
};

// The named instruction set, or the best one for "". Throws ConfigError for a name that is unknown or that this CPU
// does not have.
Isa choose_isa(const std::string& forced);

// What this process uses: choose_isa of the environment's PRECIPICE_ISA.
const QuantizeKernels& active_kernels();

// "generic", "avx2" or "avx512": the name of what this process uses.
std::string active_isa();

// A table of loops for each instruction set; null where a set has none of its own and takes those of the set below.
template <class Kernels>
struct KernelsByIsa {
  const Kernels* generic = nullptr;
  const Kernels* avx2 = nullptr;
  const Kernels* avx512 = nullptr;
};
// Of tables that every instruction set has under one name in its namespace.
#if defined(__x86_64__)
#define PRECIPICE_KERNELS_BY_ISA(table) \
  { &generic::table, &avx2::table, &avx512::table }
#else
#define PRECIPICE_KERNELS_BY_ISA(table) \
  { &generic::table, nullptr, nullptr }
#endif

// 0 generic, 1 avx2, 2 avx512; another name is a broken contract.
std::size_t level_of_isa(const std::string& name);

// The one look-up of an instruction set's loops.
template <class Kernels>
const Kernels& kernels_of(const KernelsByIsa<Kernels>& all, const std::string& isa) {
  const Kernels* const tables[] = {all.generic, all.avx2, all.avx512};
  std::size_t level = level_of_isa(isa);
  while (level > 0 && tables[level] == nullptr) --level;
  return *tables[level];
}

}  // namespace precipice
