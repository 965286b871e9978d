// SPDX-License-Identifier: Apache-2.0
// torchao's float8 recipes (torchao/float8).
#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {

void add_torchao(std::vector<Recipe>& table) {
  constexpr Arithmetic ao = Arithmetic::Torchao;
  const auto names = options({"pow2", "amax_floor", "rounding", "random_bits", "scales"});
  table.push_back(with_options(
      "torchao-tensorwise", "torchao float8, tensorwise", "x, w E4M3, dy E5M2, current per-tensor scales", names, [] {
        return beside_bf16(fp8_site(scaled("e4m3", ScaleKind::Tensor, ao), scaled("e5m2", ScaleKind::Tensor, ao)));
      }));
  const auto rowwise = [] {
    QuantizerSettings q = scaled("e4m3", ScaleKind::Row, ao);
    q.power_of_two = true;
    return SiteSettings::of_tensors(q, q, q, to_bf16());
  };
  table.push_back(with_options("torchao-rowwise", "torchao float8, rowwise",
                               "all E4M3 with one power-of-two scale per row of each matmul's contraction", names,
                               [rowwise] { return beside_bf16(rowwise()); }));
  table.push_back(with_options("torchao-rowwise-gw-hp", "torchao float8, rowwise_with_gw_hp",
                               "as rowwise; w of dgrad per tensor; wgrad in bf16", names, [rowwise] {
                                 SiteSettings site = rowwise();
                                 site.dgrad.second.kind = ScaleKind::Tensor;
                                 site.wgrad = bf16_site().wgrad;
                                 return beside_bf16(site);
                               }));
}

}  // namespace precipice::recipe_parts
