// SPDX-License-Identifier: Apache-2.0
// NVIDIA Transformer Engine's recipes (transformer_engine/common/recipe); NVFP4 also in arXiv 2509.25149.
#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {

void add_transformer_engine(std::vector<Recipe>& table) {
  constexpr Arithmetic te = Arithmetic::Te;
  const auto current = [] {
    return fp8_site(scaled("e4m3", ScaleKind::Tensor, te), scaled("e5m2", ScaleKind::Tensor, te));
  };
  const auto current_options =
      options({"pow2", "amax_floor", "arithmetic", "element", "rounding", "dy_rounding", "random_bits", "scales"});
  const char* cite = "NVIDIA Transformer Engine, Float8CurrentScaling (HYBRID)";
  table.push_back(with_options("fp8", cite, "x, w E4M3, dy E5M2, current per-tensor scales", current_options,
                               [current] { return beside_bf16(current()); }));
  table.back().aliases = {"te-current"};
  table.push_back(with_options("fp8-all", cite, "fp8 in attention products and LM head too", current_options,
                               [current] { return everywhere(current()); }));
  table.push_back({"te-delayed", "NVIDIA Transformer Engine, DelayedScaling (HYBRID)",
                   "x, w E4M3, dy E5M2, per-tensor scales from the amaxes of earlier steps",
                   options({"history", "algo", "margin", "arithmetic", "rounding", "random_bits", "scales"}),
                   [](const Values& values) {
                     SiteSettings site = fp8_site(delayed("e4m3", DelayedUpdate::Te, 1024, te),
                                                  delayed("e5m2", DelayedUpdate::Te, 1024, te));
                     apply_options(site, values);
                     for_operands(site, [](QuantizerSettings& q) {
                       if (q.arithmetic == Arithmetic::TeUnfused) q.delayed->update = DelayedUpdate::TeUnfused;
                     });
                     return beside_bf16(site);
                   }});
  table.push_back(with_options("te-block", "NVIDIA Transformer Engine, Float8BlockScaling",
                               "E4M3; x, dy in 1x128 blocks, w in 128x128 blocks",
                               options({"pow2", "amax_floor", "block", "arithmetic", "element", "rounding",
                                        "dy_rounding", "random_bits", "scales"}),
                               [] {
                                 QuantizerSettings x = blocks("e4m3", 1, 128, te), w = blocks("e4m3", 128, 128, te);
                                 x.power_of_two = w.power_of_two = true;
                                 return beside_bf16(SiteSettings::of_tensors(x, w, x, to_bf16()));
                               }));
}

void add_nvfp4(std::vector<Recipe>& table) {
  table.push_back({"nvfp4", "NVIDIA Transformer Engine, NVFP4BlockScaling; arXiv 2509.25149",
                   "E2M1 in blocks of 16 under E4M3 block scales and a tensor scale; w in 16x16 blocks; stochastic "
                   "gradients; random "
                   "Hadamard transform of the wgrad operands",
                   options({"rht", "arithmetic", "row_scaled", "four_over_six", "four_over_six_max", "two_level",
                            "dy_rounding", "random_bits", "scales"}),
                   [](const Values& values) {
                     const bool torchao = values.count("arithmetic") != 0 && values.at("arithmetic") == "torchao";
                     QuantizerSettings x = blocks("e2m1", 1, 16, torchao ? Arithmetic::Torchao : Arithmetic::Te), w = x,
                                       dy = x;
                     x.rule = w.rule = dy.rule = ScaleRule::Nvfp4;
                     if (!torchao) w.block_across = 16;
                     dy.rounding = Rounding::Stochastic;
                     SiteSettings site = SiteSettings::of_tensors(x, w, dy, to_bf16());
                     const auto rht = values.find("rht");
                     const bool rotates = rht == values.end() ? !torchao : parse_flag("rht", rht->second);
                     site.wgrad.first.hadamard = site.wgrad.second.hadamard = rotates;
                     apply_options(site, values);
                     if (values.count("row_scaled") != 0)  // activations only
                       for_operands(
                           site, [](QuantizerSettings& q) { q.row_scaled = false; }, "w");
                     return beside_bf16(site);
                   }});
}

}  // namespace precipice::recipe_parts
