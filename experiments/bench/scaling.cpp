// SPDX-License-Identifier: Apache-2.0
// Block and row scaling of recipes beside per-tensor scaling, on one matrix and one thread.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "experiments/bench/bench.h"
#include "precision/scaling/block_quantize.h"
#include "train/recipes/recipes.h"

namespace precipice {
namespace {

constexpr std::int64_t kSize = 1024;  // 4 MiB: within the last cache, as an operand of a small model is

struct Free {
  void operator()(float* floats) const { std::free(floats); }
};
// Aligned as tensors are. In rows of 4 KiB the lines of a column share one set of the first cache, which cannot hold
// the two lines that each vector of an unaligned matrix takes.
using Matrix = std::unique_ptr<float[], Free>;
Matrix zeros() {
  constexpr std::size_t kBytes = kSize * kSize * sizeof(float);
  Matrix matrix(static_cast<float*>(std::aligned_alloc(64, kBytes)));
  std::memset(matrix.get(), 0, kBytes);
  return matrix;
}

class Operand {
 public:
  Operand() {
    for (std::size_t i = 0; i < kSize * kSize; ++i)  // values of many magnitudes and both signs
      in_[i] = (static_cast<float>(random_word({1, 2, 3, 4}, i) >> 8) * 0x1p-24f - 0.5f) * 8.0f;
  }
  std::function<void()> work(const Quantizer& quantizer, int contraction) {
    return [this, quantizer, contraction] {
      quantize_matrix(in_.get(), {kSize, kSize, contraction}, quantizer, {},
                      {out_.get(), scales_.get(), multipliers_.get()});
    };
  }

 private:
  Matrix in_ = zeros(), out_ = zeros(), scales_ = zeros(), multipliers_ = zeros();
};

}  // namespace

void bench_scaling(const BenchOptions& options, std::vector<BenchRow>& rows) {
  const int repetitions = options.quick ? 9 : 31;
  Operand operand;
  const auto linear = [](const char* recipe) { return make_recipe(recipe).linear; };
  const auto per_tensor = operand.work(linear("te-current").fprop.first, 1);
  const auto add = [&](const char* work, double goal, const Quantizer& quantizer, int contraction) {
    rows.push_back(compare(work, "te-current, x", goal, repetitions, operand.work(quantizer, contraction), per_tensor));
  };
  add("scales per row: torchao-rowwise, x", 1.5, linear("torchao-rowwise").fprop.first, 1);
  add("1x128 blocks: te-block, x", 1.5, linear("te-block").fprop.first, 1);
  add("128x128 blocks: te-block, w", 1.5, linear("te-block").fprop.second, 1);
  add("1x32 blocks: mxfp8, x", 1.5, linear("mxfp8").fprop.first, 1);
  add("1x32 blocks down the columns: mxfp8, x of wgrad", 1.5, linear("mxfp8").wgrad.second, 0);
  add("1x32 blocks, microxcaling's Python: mx-systems-scaling, x", 0, linear("mx-systems-scaling").fprop.first, 1);
  add("1x16 blocks under a tensor scale: nvfp4, x", 0, linear("nvfp4").fprop.first, 1);
  add("the same by four over six: nvfp4:four_over_six=mse, x", 0, linear("nvfp4:four_over_six=mse").fprop.first, 1);
  add("with Hadamard transform: nvfp4, x of wgrad", 4, linear("nvfp4").wgrad.second, 0);
  add("and stochastic rounding: nvfp4, dy of wgrad", 4, linear("nvfp4").wgrad.first, 0);
}

}  // namespace precipice
