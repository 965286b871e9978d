// SPDX-License-Identifier: Apache-2.0
// apex amp's levels: frontend.py (levels), lists/ (what is cast), scaler.py (2^16, factor 2, 2000 steps).
#include "precision/base/spellings.h"
#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {
namespace {

RecipeSettings fp16_matmuls() {
  GemmArithmetic arithmetic;
  arithmetic.output = unscaled("fp16");
  return everywhere(same(unscaled("fp16"), arithmetic));
}

// A model that was cast to fp16: whatever it computes is.
RecipeSettings fp16_model(bool fp16_gains) {
  RecipeSettings choice = fp16_matmuls();
  const ElementQuantizer fp16 = unscaled("fp16");
  choice.elements.vector = choice.elements.residual = choice.elements.softmax = choice.elements.norm = fp16;
  if (fp16_gains) choice.elements.norm_weights = fp16;
  choice.state.gradients = "fp16";
  return choice;
}

constexpr Spellings<bool, 2> kGains{{{"fp32", false}, {"fp16", true}}};

}  // namespace

void add_apex(std::vector<Recipe>& table) {
  table.push_back(with_options(
      "fp16-o1", "apex amp, O1",
      "operands and results of every matmul in fp16, everything else and weights in fp32; dynamic loss scale", {}, [] {
        RecipeSettings choice = fp16_matmuls();
        choice.loss_scale.kind = LossScaling::Dynamic;
        return choice;
      }));
  table.back().notes = "apex lets the loss scale fall without end; here it stops at loss_scale.minimum = 1.";
  table.push_back({"fp16-o2",
                   "apex amp, O2",
                   "fp16 model over fp32 masters: every result and every gradient in fp16, gains of norms in fp32; "
                   "dynamic loss scale",
                   {{"norms", "gains of norms: fp32 fp16"}},
                   [](const Values& values) {
                     const auto norms = values.find("norms");
                     RecipeSettings choice =
                         fp16_model(norms != values.end() && parse_spelling("norms", norms->second, kGains));
                     choice.loss_scale.kind = LossScaling::Dynamic;
                     return choice;
                   },
                   "keep_batchnorm_fp32 names BatchNorm, which a transformer has not: norms=fp16 is what apex does to "
                   "LayerNorm. Embeddings are read from the masters and rounded once, as their sum; gradients of gains "
                   "are fp16 too. The loss scale stops at loss_scale.minimum = 1."});
  table.push_back(with_options(
      "fp16-o3", "apex amp, O3",
      "everything in fp16: results, weights without masters, both moments, gradients; loss scale 1", {}, [] {
        RecipeSettings choice = fp16_model(true);
        choice.state.weights = choice.state.moment1 = choice.state.moment2 = "fp16";
        choice.state.state_scaling = "none";
        choice.loss_scale.kind = LossScaling::Static;
        choice.loss_scale.initial = 1;
        return choice;
      }));
  table.back().notes =
      "apex leaves the optimizer alone: torch's keeps moments in the weights' format, as here, and also rounds inside "
      "its update, which is fp32 here; with apex's FusedAdam set optimizer.moment1=fp32 optimizer.moment2=fp32.";
}

}  // namespace precipice::recipe_parts
