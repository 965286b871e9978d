// SPDX-License-Identifier: Apache-2.0
// torchao's own numbers, bit for bit: tests/golden/torchao.json, made by scripts/torchao_goldens.
#include <charconv>
#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

#include "precision/scaling/quantizer_settings.h"
#include "tests/precision/scaling/scaling_support.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;
using namespace precipice::test;

namespace {

std::vector<float> numbers_of(const std::string& hexadecimal) {
  std::vector<float> numbers;
  for (std::size_t i = 0; i + 8 <= hexadecimal.size(); i += 8) {
    std::uint32_t bits = 0;
    std::from_chars(hexadecimal.data() + i, hexadecimal.data() + i + 8, bits, 16);
    numbers.push_back(float_of(bits));
  }
  return numbers;
}

struct Case {
  QuantizerSettings quantizer;
  int contraction = 1;
  bool scale_multiplies = false;  // the golden scale is what elements were multiplied by
};

Case case_of(const std::string& recipe, const std::string& element) {
  Case c;
  c.quantizer.format = parse_float_format(element);
  c.quantizer.arithmetic = Arithmetic::Torchao;
  if (recipe.starts_with("mx-")) {
    c.quantizer.kind = ScaleKind::Block;
    c.quantizer.rule = parse_scale_rule(recipe.substr(3));
  } else if (recipe.starts_with("nvfp4")) {
    c.quantizer.kind = ScaleKind::Block;
    c.quantizer.rule = ScaleRule::Nvfp4;
    c.quantizer.block_along = 16;
    c.quantizer.two_level = recipe == "nvfp4";
  } else {
    c.scale_multiplies = true;
    c.quantizer.kind = recipe == "tensorwise" ? ScaleKind::Tensor : ScaleKind::Row;
    c.quantizer.power_of_two = recipe.ends_with("-pow2");
    // One scale per column of the matrix is one per row of a product that sums down the columns.
    if (recipe.starts_with("columns")) c.contraction = 0;
  }
  return c;
}

}  // namespace

TEST_CASE("torchao's tensorwise, rowwise, MX and NVFP4 tensors come out with torchao's bits") {
  std::ifstream file(source_directory() + "/tests/golden/torchao.json");
  const auto golden = nlohmann::json::parse(file);
  const std::int64_t rows = golden.at("rows"), cols = golden.at("cols");
  std::map<std::string, int> compared;
  for (const auto& entry : golden.at("cases")) {
    const std::string recipe = entry.at("recipe"), element = entry.at("element"), kind = entry.at("input");
    const Case c = case_of(recipe, element);
    const MatrixShape shape{rows, cols, c.contraction};
    const Quantized ours = quantize_all(numbers_of(golden.at("inputs").at(kind)), shape, c.quantizer);
    const std::vector<float> dequantized = numbers_of(entry.at("dequantized")), scales = numbers_of(entry.at("scales"));
    const std::string skipped = entry.at("skipped");
    const BlockGrid grid = block_grid(c.quantizer, shape);
    REQUIRE(scales.size() == static_cast<std::size_t>(grid.count()));
    REQUIRE(skipped.size() == scales.size());
    REQUIRE(dequantized.size() == ours.dequantized.size());
    int wrong = 0;
    for (std::size_t b = 0; b < scales.size(); ++b) {
      if (skipped[b] == '1') continue;
      const auto i = static_cast<std::int64_t>(b) / grid.grid_cols, j = static_cast<std::int64_t>(b) % grid.grid_cols;
      wrong += !same((c.scale_multiplies ? ours.multipliers : ours.scales)[b], scales[b]);
      wrong +=
          count_differences(block_of(ours.dequantized, shape, grid, i, j), block_of(dequantized, shape, grid, i, j));
      ++compared[recipe];
    }
    INFO(recipe << " " << element << " " << kind);
    CHECK(wrong == 0);
  }
  // 11 kinds of input; of MX's 220 blocks a rule at most 50 are skipped.
  CHECK(compared.size() == 11);
  for (const auto& [recipe, count] : compared) {
    INFO(recipe << " " << count);
    CHECK(count >= (recipe.starts_with("mx-") ? 170 : 11));
  }
}
