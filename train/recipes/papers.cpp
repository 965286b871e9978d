// SPDX-License-Identifier: Apache-2.0
// Recipes of single papers and reports.
//   deepseek-v3   arXiv 2412.19437, section 3.3
//   intel-fp8     Fishman et al., arXiv 2409.12517
//   fp8-sim-2022  Micikevicius et al., arXiv 2209.05433
//   int8          symmetric quantization, e.g. Jacob et al., arXiv 1712.05877
//   bf16-pure     Zamirai et al., arXiv 2010.06192; stochastic updates arXiv 2502.20566
#include "precision/base/spellings.h"
#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {
namespace {

void set_smooth_swiglu(RecipeSettings& choice, const Values& values) {
  if (const auto given = values.find("smooth_swiglu"); given != values.end())
    choice.linear.smooth_swiglu = parse_smooth_swiglu(given->second);
}

constexpr Spellings<const char*, 3> kBf16Weights{
    {{"bf16", "bf16"}, {"bf16-sr", "bf16-sr"}, {"bf16-kahan", "bf16-kahan"}}};

}  // namespace

void add_papers(std::vector<Recipe>& table) {
  table.push_back(
      with_options("deepseek-v3", "DeepSeek-V3, arXiv 2412.19437, section 3.3",
                   "E4M3; x, dy in 1x128 blocks, w in 128x128 blocks, amax raised to 1e-4; both moments in bf16",
                   options({"arithmetic", "pow2", "amax_floor", "block", "rounding", "random_bits", "scales"}), [] {
                     const QuantizerSettings x = blocks("e4m3", 1, 128, Arithmetic::DeepGemm);
                     const QuantizerSettings w = blocks("e4m3", 128, 128, Arithmetic::DeepGemm);
                     RecipeSettings choice = beside_bf16(SiteSettings::of_tensors(x, w, x, to_bf16()));
                     choice.state.moment1 = choice.state.moment2 = "bf16";
                     return choice;
                   }));
  table.push_back(
      with_options("intel-fp8", "Fishman et al., arXiv 2409.12517",
                   "forward E4M3 with largest value 240, backward operands re-cast to E5M2, delayed "
                   "power-of-two scales, stochastic gradients; moments in E4M3 and E5M2 with current scales",
                   options({"smooth_swiglu", "history", "rounding", "random_bits"}),
                   [] {
                     const auto q = [](const char* format) {
                       QuantizerSettings quantizer = delayed(format, DelayedUpdate::Te, 1024, Arithmetic::Te);
                       quantizer.delayed->power_of_two = true;
                       quantizer.delayed->interval = 1024;
                       return quantizer;
                     };
                     SiteSettings site = fp8_site(q("gaudi_e4m3"), q("e5m2"));
                     site.dgrad.second = site.wgrad.second = q("e5m2");
                     site.dgrad.first.rounding = site.wgrad.first.rounding = Rounding::Stochastic;
                     site.smooth_swiglu = SmoothSwiglu::IfGated;
                     RecipeSettings choice = beside_bf16(site);
                     choice.state.moment1 = "e4m3";
                     choice.state.moment2 = "e5m2";
                     return choice;
                   },
                   {.finish = set_smooth_swiglu}));
  table.back().notes =
      "Largest value of E4M3 moments 448 as in OCP's format: whether the moments on Gaudi end at 240, as its matmuls "
      "do, "
      "is not in the sources at hand; nor is the format of the weights, fp32 here.";
  table.push_back(with_options("fp8-sim-2022", "Micikevicius et al., arXiv 2209.05433",
                               "inputs of every linear in one FP8 format with its own bias, no scaling",
                               options({"element", "rounding", "random_bits"}), [] {
                                 QuantizerSettings q = unscaled("e4m3");
                                 q.overflow = Overflow::Saturate;
                                 return beside_bf16(SiteSettings::of_tensors(q, q, q, to_bf16()));
                               }));
  table.push_back(with_options("int8", "symmetric quantization: e.g. Jacob et al., arXiv 1712.05877",
                               "int8 with a scale per token (x, dy) and per output channel (w)",
                               options({"pow2", "amax_floor", "rounding", "dy_rounding", "random_bits", "scales"}), [] {
                                 const QuantizerSettings q = scaled("int8", ScaleKind::Row, Arithmetic::Te);
                                 return beside_bf16(SiteSettings::of_tensors(q, q, q, to_bf16()));
                               }));
}

void add_bf16_pure(std::vector<Recipe>& table) {
  table.push_back({"bf16-pure",
                   "Zamirai et al., arXiv 2010.06192; bf16-sr: arXiv 2502.20566",
                   "everything in bf16: results, gains of norms, weights without masters, both moments, gradients",
                   {{"weights", "their updates: bf16 (to nearest) bf16-sr (stochastic) bf16-kahan (compensated)"}},
                   [](const Values& values) {
                     RecipeSettings choice = everywhere(bf16_site());
                     choice.elements = in_bf16();
                     choice.elements.norm_weights = bf16();
                     choice.state.weights = choice.state.moment1 = choice.state.moment2 = choice.state.gradients =
                         "bf16";
                     if (const auto weights = values.find("weights"); weights != values.end())
                       choice.state.weights = parse_spelling("weights", weights->second, kBf16Weights);
                     return choice;
                   },
                   "The update itself is computed in fp32 and each result rounded once."});
}

}  // namespace precipice::recipe_parts
