// SPDX-License-Identifier: Apache-2.0
// precipice gemm --gemm as run, against the linears of a training step in this process (QuantizedProduct).
#include <stdlib.h>
#include <sys/wait.h>

#include <cstring>
#include <string>

#include "precision/accumulator/accumulator.h"
#include "precision/autograd/quantized_matmul.h"
#include "precision/scaling/scale_states.h"
#include "tests/integration/program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "tests/support/tensors.h"
#include "train/recipes/recipes.h"

using namespace precipice;

namespace {

constexpr std::int64_t kTokens = 128, kIn = 256, kOut = 128;
constexpr std::uint64_t kProductSeed = 7;

std::string raw_bytes(const at::Tensor& x) {
  return {static_cast<const char*>(x.const_data_ptr()), x.nbytes()};
}

ProgramResult gemm_of(const Workplace& place, const std::string& arguments, const at::Tensor& a, const at::Tensor& b) {
  write_text(place.path("operands"), raw_bytes(a) + raw_bytes(b));
  const std::string line = "cd '" + place.dir.path().string() + "' && '" + program_path() + "' gemm " + arguments +
                           " --seed " + std::to_string(kProductSeed) + " <operands >product 2>message";
  const int status = std::system(line.c_str());
  return {WEXITSTATUS(status), text_of(place.path("product")), text_of(place.path("message"))};
}

// A run's linears with this recipe and accumulator=fp32.
SitePrecision linears_of(const std::string& recipe) {
  SitePrecision site = make_recipe(recipe).linear;
  for (const Pass pass : kAllPasses) site.pass(pass).arithmetic.accumulator = parse_accumulator("fp32");
  return site;
}

}  // namespace

TEST_CASE("gemm --gemm gives the bits of a training step's three products") {
  const Workplace place;
  const at::Tensor x = test::random_tensor({kTokens, kIn}, 1), w = test::random_tensor({kOut, kIn}, 2, 0.05f),
                   dy = test::random_tensor({kTokens, kOut}, 3, 1e-3f);
  for (const std::string recipe : {"fp8", "nvfp4", "deepseek-v3", "te-delayed", "ms-amp-o1"}) {
    INFO(recipe);
    const SitePrecision precision = linears_of(recipe);
    MatmulSite site;
    site.precision = &precision;
    site.seed = kProductSeed;
    ScaleStates scales;  // a run's first step
    site.scales = &scales;
    QuantizedProduct product(site);
    const at::Tensor y = product.forward(x, w);
    const QuantizedProduct::Gradients gradients = product.backward(dy, {});
    const std::string common = "--recipe " + recipe + " --accumulator fp32 --shape ";
    CHECK(gemm_of(place, common + "128x128x256", x, w).out == raw_bytes(y.contiguous()));
    CHECK(gemm_of(place, common + "128x256x128 --gemm dgrad", dy, w).out == raw_bytes(gradients.dx.contiguous()));
    CHECK(gemm_of(place, common + "128x256x128 --gemm wgrad", dy, x).out == raw_bytes(gradients.dw.contiguous()));
  }
}

TEST_CASE("gemm --gemm refuses a word that is no GEMM, and an input of another length") {
  const Workplace place;
  const at::Tensor x = test::random_tensor({2, 4}, 1), w = test::random_tensor({3, 4}, 2);
  const ProgramResult word = gemm_of(place, "--gemm grad --shape 2x3x4", x, w);
  CHECK(word.exit_code == 2);
  CHECK(word.err.find("must be one of fprop, dgrad, wgrad") != std::string::npos);
  const ProgramResult longer = gemm_of(place, "--gemm wgrad --shape 2x3x2", x, w);
  CHECK(longer.exit_code == 4);
  CHECK(longer.err.find("goes on after dy and x") != std::string::npos);
}
