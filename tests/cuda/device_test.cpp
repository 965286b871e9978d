// SPDX-License-Identifier: Apache-2.0
// The CUDA library: that it opens wherever it was built, and on a GPU its results against the host's bits.
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
#include "tests/support/paths.h"

using namespace precipice;
using namespace precipice::test;

namespace {

// The GPU's kernels, or null after saying why the test is skipped.
const Kernels* gpu_kernels() {
  static std::string reason;
  static const std::optional<OpenLibrary> library = [] {
    std::optional<OpenLibrary> opened = load_cuda_library(cuda_library(), reason);
    if (opened) {
      const char* problem = opened->cuda.open_gpu();
      reason = problem != nullptr ? problem : "";
    }
    return opened;
  }();
  if (!reason.empty()) {
    WARN("skipped: " << reason);
    return nullptr;
  }
  return &library->kernels;
}

}  // namespace

TEST_CASE("the CUDA library opens where it was built, and says whether a GPU can be used", "[cuda_library]") {
  std::string reason;
  const std::optional<OpenLibrary> library = load_cuda_library(cuda_library(), reason);
  if (cuda_library().empty()) {
    CHECK_FALSE(library);
    WARN("skipped: " << reason);
    return;
  }
  INFO(reason);
  REQUIRE(library);
  const char* problem = library->cuda.open_gpu();
  if (problem == nullptr) return;
  const std::string sentence = problem;
  CHECK(sentence.size() > 10);
  CHECK(sentence.find('\n') == std::string::npos);
  // Without a GPU a call is refused with a reason as well.
  double norm = 0;
  float value = 1.0f;
  const FloatSpan span{&value, 1};
  CHECK(library->kernels.multi_tensor->l2norm({{&span, 1, 1}, {}}, &norm) != nullptr);
  CHECK(library->kernels.quantize->amax(&value, 1, {}, value) != nullptr);
}

TEST_CASE("on the GPU, quantize gives the host's bits and events for every format, mode and launch", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) compare_all_formats<float>(*gpu);
}

TEST_CASE("on the GPU, quantize from binary64 gives the host's bits and events", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) compare_all_formats<double>(*gpu);
}

TEST_CASE("on the GPU, quantize handles every tail once", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) compare_tails(*gpu);
}

TEST_CASE("on the GPU, amax and encode give the host's results", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) {
    compare_amax(*gpu);
    compare_rounded_rows(*gpu);
    compare_encode(*gpu);
  }
}

TEST_CASE("on the GPU, a large array fills every multiprocessor and gives the host's bits", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) {
    QuantizeCase c;
    c.spec = {parse_float_format("e4m3"), Rounding::Stochastic};
    compare_quantize(*gpu, quantize_inputs<float>(c.spec.format, (std::int64_t{1} << 24) + 5), c, {});
  }
}

TEST_CASE("on the GPU, the multi-tensor kernels give the host's bits and norms", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) {
    compare_many_tensors(*gpu);
    for (const bool bad : {false, true}) {
      compare_norms(*gpu, bad);
      compare_all_updates(OptimizerRules{}, *gpu, bad);
    }
    compare_gates(*gpu);
  }
}

TEST_CASE("on the GPU, norms, softmax and GELU give the host's bits", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) {
    compare_norm_rows(*gpu);
    compare_softmax_rows(*gpu);
    compare_gelu(*gpu);
  }
}

TEST_CASE("on the GPU, rotary positions, embedding and loss give the host's bits", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) {
    compare_rotations(*gpu);
    compare_table_rows(*gpu);
    compare_logit_rows(*gpu);
    compare_bf16_logit_rows(*gpu);
    compare_bf16_ties(*gpu);
    compare_squared_errors(*gpu);
    check_numbers_outside(*gpu);
  }
}

TEST_CASE("on the GPU, matrices with scales of every rule and arithmetic are quantized to the host's bits", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels())
    for (const int contraction : {0, 1}) CHECK(compare_matrices(*gpu, contraction) > 200);
}

TEST_CASE("on the GPU, operands with scales and emulated accumulators have the host's bits", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) {
    compare_scaled_sums(*gpu);
    compare_all_scaled_numbers(*gpu);
    compare_scale_ranges(*gpu);
    compare_outer_scales(*gpu);
    check_refused_matrices(*gpu);
    compare_peers(*gpu);
    compare_gemms(*gpu);
    compare_sum_near_tie(*gpu);
  }
}

TEST_CASE("on the GPU, attention in one kernel has the bits of whole products where sums have an order, or need none",
          "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) {
    compare_ordered_attention(*gpu);
    compare_matrix_attention(*gpu);
    bound_matrix_attention(*gpu);
  }
}

TEST_CASE("on the GPU, what a kernel call cannot do comes back as a reason", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) {
    check_refusals(*gpu);
    check_refused_quantize_calls(*gpu);
  }
}

TEST_CASE("on the GPU, the kernels of store keep an array as the host's store() does", "[.cuda]") {
  if (const Kernels* gpu = gpu_kernels()) compare_stores(*gpu);
}
