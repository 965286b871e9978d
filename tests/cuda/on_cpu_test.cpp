// SPDX-License-Identifier: Apache-2.0
// The .cu files on the CPU: every kernel, launched as on a GPU, against the host's function of the same meaning, bit for
// bit; device_test.cpp has the same comparisons on a GPU. Every load and store is looked at on the way.
#include "tests/cuda/attention_bounds.h"
#include "tests/cuda/attention_comparison.h"
#include "tests/cuda/bf16_logit_comparison.h"
#include "tests/cuda/gate_comparison.h"
#include "tests/cuda/matrix_comparison.h"
#include "tests/cuda/multi_tensor_comparison.h"
#include "tests/cuda/quantize_comparison.h"
#include "tests/cuda/row_comparison.h"
#include "tests/cuda/scale_comparison.h"
#include "tests/cuda/step_comparison.h"

using namespace precipice;
using namespace precipice::test;

TEST_CASE("on the CPU, the quantize kernel gives the host's bits and events for every format, mode and launch",
          "[cuda_on_cpu]") {
  compare_all_formats<float>(kernels_on_cpu(1), 3);
}

TEST_CASE("on the CPU, the quantize kernel for binary64 gives the host's bits and events", "[cuda_on_cpu]") {
  compare_all_formats<double>(kernels_on_cpu(2), 2);
}

TEST_CASE("on the CPU, the quantize kernel handles every tail once, from every place of the random stream",
          "[cuda_on_cpu]") {
  compare_tails(kernels_on_cpu(0));
}

TEST_CASE("on the CPU, the kernel that rounds rows where they lie gives the host's bits", "[cuda_on_cpu]") {
  compare_rounded_rows(kernels_on_cpu(27));
}

TEST_CASE("on the CPU, the amax and encode kernels give the host's results whatever the launch", "[cuda_on_cpu]") {
  const std::uint64_t order = GENERATE(0, 3);
  compare_amax(kernels_on_cpu(order));
  compare_encode(kernels_on_cpu(order));
}

TEST_CASE("on the CPU, the multi-tensor kernels give the host's bits and norms whatever the launch", "[cuda_on_cpu]") {
  const bool bad = GENERATE(false, true);
  const Kernels& kernels = kernels_on_cpu(bad ? 0 : 4);
  compare_norms(kernels, bad);
  if (bad) compare_many_tensors(kernels);
  compare_all_updates(OptimizerRules{}, kernels, bad);
}

TEST_CASE("on the CPU, what a kernel call cannot do comes back as a reason", "[cuda_on_cpu]") {
  check_refusals(kernels_on_cpu(0));
  check_refused_quantize_calls(kernels_on_cpu(0));
}

TEST_CASE("on the CPU, the kernels of store keep an array as the host's store() does", "[cuda_on_cpu]") {
  compare_stores(kernels_on_cpu(5));
}

TEST_CASE("on the CPU, a gate in the device's memory decides on an update as the host would", "[cuda_on_cpu]") {
  compare_gates(kernels_on_cpu(3));
}

TEST_CASE("on the CPU, the kernels of norms, softmax and GELU give the host's bits", "[cuda_on_cpu]") {
  compare_norm_rows(kernels_on_cpu(9));
  compare_softmax_rows(kernels_on_cpu(10));
  compare_gelu(kernels_on_cpu(11));
}

TEST_CASE("on the CPU, the kernels of rotary positions, embedding and loss give the host's bits", "[cuda_on_cpu]") {
  compare_rotations(kernels_on_cpu(12));
  compare_table_rows(kernels_on_cpu(13));
  compare_logit_rows(kernels_on_cpu(14));
  compare_bf16_logit_rows(kernels_on_cpu(14));
  compare_bf16_ties(kernels_on_cpu(14));
  compare_squared_errors(kernels_on_cpu(15));
  check_numbers_outside(kernels_on_cpu(16));
}

TEST_CASE("on the CPU, matrices with scales of every rule and arithmetic are quantized to the host's bits",
          "[cuda_on_cpu]") {
  const int contraction = GENERATE(0, 1);
  CHECK(compare_matrices(kernels_on_cpu(contraction == 0 ? 17 : 18), contraction) > 200);
}

TEST_CASE("on the CPU, the kernels of operands with scales, and of peers, give the host's bits", "[cuda_on_cpu]") {
  compare_scaled_sums(kernels_on_cpu(19));
  compare_all_scaled_numbers(kernels_on_cpu(20));
  compare_scale_ranges(kernels_on_cpu(21));
  compare_outer_scales(kernels_on_cpu(22));
  check_refused_matrices(kernels_on_cpu(23));
  compare_peers(kernels_on_cpu(25));
}

TEST_CASE("on the CPU, attention in one kernel has the bits of whole products with a softmax between",
          "[cuda_on_cpu]") {
  compare_ordered_attention(kernels_on_cpu(28));
}

TEST_CASE("on the CPU, attention by warp matrices has these bits where no sum depends on its order, else small errors",
          "[cuda_on_cpu]") {
  compare_matrix_attention(kernels_on_cpu(29));
  bound_matrix_attention(kernels_on_cpu(30));
}

TEST_CASE("on the CPU, the kernel of emulated accumulators gives the definition's bits", "[cuda_on_cpu]") {
  compare_gemms(kernels_on_cpu(24));
  compare_sum_near_tie(kernels_on_cpu(26));
}
