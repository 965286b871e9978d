// SPDX-License-Identifier: Apache-2.0
// Where numbers come from: program, libraries, machine.
#pragma once

#include <map>
#include <string>

namespace precipice {

std::string program_version();  // "0.1.0"
std::string program_commit();   // short hash, "-dirty" when the tree had changes, "unknown" outside a checkout
std::string cpu_model();

// Name to text: program, commit, compiler, libtorch, HDF5, CPU, instruction set of the quantizers. No times, no host
// name: it goes into run.h5, whose bytes must be equal for equal runs.
std::map<std::string, std::string> provenance();

}  // namespace precipice
