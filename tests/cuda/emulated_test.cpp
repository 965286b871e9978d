// SPDX-License-Identifier: Apache-2.0
// The kernels' bodies, driven on the CPU through every block and thread of a launch: device_test.cpp has the same
// comparisons on a GPU.
#include "tests/cuda/multi_tensor_comparison.h"
#include "tests/cuda/quantize_comparison.h"

using namespace precipice;
using namespace precipice::test;

TEST_CASE("the quantize body gives the host's bits and events for every format, mode and launch", "[kernel_bodies]") {
  compare_all_formats<float>(emulated_kernels());
}

TEST_CASE("the quantize body for binary64 gives the host's bits and events", "[kernel_bodies]") {
  compare_all_formats<double>(emulated_kernels());
}

TEST_CASE("the quantize body handles every tail once, from every place of the random stream", "[kernel_bodies]") {
  compare_tails(emulated_kernels());
}

TEST_CASE("the amax body gives the host's amax whatever the launch", "[kernel_bodies]") {
  compare_amax(emulated_kernels());
}

TEST_CASE("the encode body gives the host's codes whatever the launch", "[kernel_bodies]") {
  compare_encode(emulated_kernels());
}

TEST_CASE("the multi-tensor bodies give the host's bits and norms whatever the launch", "[kernel_bodies]") {
  const bool bad = GENERATE(false, true);
  compare_norms(emulated_kernels(), bad);
  compare_all_updates(OptimizerRules{}, emulated_kernels(), bad);
}

TEST_CASE("what a kernel call cannot do comes back as a reason", "[kernel_bodies]") {
  check_refusals(emulated_kernels());
}
