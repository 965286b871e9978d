// SPDX-License-Identifier: Apache-2.0
// Where numbers come from: program, libraries, machine.
#pragma once

#include <map>
#include <string>

#include "precision/gemm/multiplier.h"
#include "precision/policy/policy.h"

namespace precipice {

std::string program_version();  // "0.1.0"
std::string program_commit();   // short hash, "-dirty" when the tree had changes, "unknown" outside a checkout
std::string cpu_model();

// Name to text: program, commit, compiler, libtorch, HDF5, oneDNN and the instruction set of its matmuls, CPU,
// instruction set of the quantizers. No times, no host name: it goes into run.h5, whose bytes must be equal for equal
// runs.
std::map<std::string, std::string> provenance();

// What multiplies the operands of a run's matmuls (precision/gemm/carrier.h) on this CPU, or where `matmuls` are: "fp32",
// "bf16" or "bf16, fp32"; "emulated" accumulators multiply themselves.
std::string carriers_of(const PrecisionSchedule& schedule, const MatmulCpu& matmuls = matmul_cpu());

// The emulated accumulators of the schedule, "hopper-fp8 (tensor-core:align=operands,...); ..."; "" where the library sums.
std::string accumulators_of(const PrecisionSchedule& schedule);

}  // namespace precipice
