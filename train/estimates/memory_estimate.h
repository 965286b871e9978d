// SPDX-License-Identifier: Apache-2.0
// How much memory a run will hold at most, by arithmetic alone: nothing is allocated, and a plan answers at once. The
// terms are what the code keeps, counted from shapes, the run's quantizers and this CPU's carriers:
//   state        fp32 weights, gradients, moments, Kahan compensations (optim/optimizer.h): 4 bytes a parameter each
//   kept         what the forward pass leaves to the backward pass (train/estimates/kept_memory.h)
//   logits       fp32 logits, and their gradient in the place of their exponentials (train/model/loss.cpp)
//   in passing   the largest set of gradients and quantized copies of one operation
//                (precision/autograd/quantized_matmul.cpp)
//   probes       copies of weights and gradients, and the pass of its own, as each probe says (train/probes/probe.h)
//   checkpoint   weights and moments as arrays, and those as the bytes of a file (train/run/checkpoint.cpp)
//   waiting      memory that tensors gave back and that nothing has taken yet (train/estimates/tensor_memory.h)
//   data         the stream of tokens;  log: its rows, and their copy while run.h5 is made
//   libraries    what the process holds before (given), and the kernels that oneDNN makes
// A run's peak is that of the phase that holds most: a training step, a probe, or a checkpoint. Of a run on a GPU the steps'
// and the probes' phases, and the state, are in the GPU's memory, and the rest in the host's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/recipes/resolved_run.h"

namespace precipice {

struct MemoryTerm {
  std::string name;
  double bytes;
};

struct MemoryEstimate {
  std::string phase;              // where the peak lies: "a training step", ...
  std::vector<MemoryTerm> terms;  // what is held there, largest first
  double bytes() const;
};

// In the host's memory. `libraries`: bytes that the process holds before the run begins.
MemoryEstimate estimate_memory(const ResolvedRun& run, double libraries);
// In a GPU's memory, beside what the driver takes for each process that uses it: cuBLAS's workspaces among it.
MemoryEstimate estimate_gpu_memory(const ResolvedRun& run);

// Arrays of the size of the weights that a checkpoint holds: the weights, and what the optimizer keeps of each.
double arrays_of(const ResolvedRun& run);

// The stream of tokens as a run holds it; 0 where the file is not there.
double data_bytes(const DataConfig& data);

// What this process holds now, in bytes (VmRSS of /proc/self/status).
double resident_bytes();
// The most that this process ever held (VmHWM of /proc/self/status).
double peak_resident_bytes();

}  // namespace precipice
