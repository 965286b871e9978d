// SPDX-License-Identifier: Apache-2.0
// The instruction set that the array loops use, chosen once in a process: the best that the CPU has, or the one that
// PRECIPICE_ISA names.
#pragma once

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

}  // namespace precipice
