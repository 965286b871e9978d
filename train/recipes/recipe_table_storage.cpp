// SPDX-License-Identifier: Apache-2.0
// The recipes that are more than matmuls: how weights, moments and gradients are kept between steps, and how the loss
// is scaled.
//   fp16-o1 to -o3:   apex amp: frontend.py (levels), lists/ (what is cast), scaler.py (2^16, factor 2, 2000 steps).
//   bf16-pure:        Zamirai et al., arXiv 2010.06192; stochastic updates arXiv 2502.20566.
//   ms-amp-o1 to -o3: MS-AMP, linear.py, optim/adamw.py, deepspeed/runtime/fp8/fused_optimizer.py; arXiv 2310.18313.
#include "precision/base/spellings.h"
#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {
namespace {

// ---- fp16 -------------------------------------------------------------------------------------------------------

RecipeChoice fp16_matmuls() {
  GemmArithmetic arithmetic;
  arithmetic.output = unscaled("fp16");
  return everywhere(same(unscaled("fp16"), arithmetic));
}

// A model that was cast to fp16: whatever it computes is.
RecipeChoice fp16_model(bool fp16_gains) {
  RecipeChoice choice = fp16_matmuls();
  const MatrixQuantizer fp16 = unscaled("fp16");
  choice.elements.vector = choice.elements.residual = choice.elements.softmax = choice.elements.norm = fp16;
  if (fp16_gains) choice.elements.norm_weights = fp16;
  choice.state.gradients = "fp16";
  return choice;
}

constexpr Spellings<bool, 2> kGains{{{"fp32", false}, {"fp16", true}}};

void add_apex(std::vector<Recipe>& table) {
  table.push_back(with_options(
      "fp16-o1", "apex amp, O1",
      "operands and results of every matmul in fp16, everything else and weights in fp32; dynamic loss scale", {}, [] {
        RecipeChoice choice = fp16_matmuls();
        choice.loss_scale.kind = "dynamic";
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
                     RecipeChoice choice =
                         fp16_model(norms != values.end() && parse_spelling("norms", norms->second, kGains));
                     choice.loss_scale.kind = "dynamic";
                     return choice;
                   },
                   "keep_batchnorm_fp32 names BatchNorm, which a transformer has not: norms=fp16 is what apex does to "
                   "LayerNorm. Embeddings are read from the masters and rounded once, as their sum; gradients of gains "
                   "are fp16 too. The loss scale stops at loss_scale.minimum = 1."});
  table.push_back(with_options(
      "fp16-o3", "apex amp, O3",
      "everything in fp16: results, weights without masters, both moments, gradients; loss scale 1", {}, [] {
        RecipeChoice choice = fp16_model(true);
        choice.state.weights = choice.state.moment1 = choice.state.moment2 = "fp16";
        choice.state.state_scaling = "none";
        choice.loss_scale.kind = "static";
        choice.loss_scale.initial = 1;
        return choice;
      }));
  table.back().notes =
      "apex leaves the optimizer alone: torch's keeps moments in the weights' format, as here, and also rounds inside "
      "its update, which is fp32 here; with apex's FusedAdam set optimizer.moment1=fp32 optimizer.moment2=fp32.";
}

// ---- bf16 -------------------------------------------------------------------------------------------------------

constexpr Spellings<const char*, 3> kBf16Weights{
    {{"bf16", "bf16"}, {"bf16-sr", "bf16-sr"}, {"bf16-kahan", "bf16-kahan"}}};

void add_bf16(std::vector<Recipe>& table) {
  table.push_back({"bf16-pure",
                   "Zamirai et al., arXiv 2010.06192; bf16-sr: arXiv 2502.20566",
                   "everything in bf16: results, gains of norms, weights without masters, both moments, gradients",
                   {{"weights", "their updates: bf16 (to nearest) bf16-sr (stochastic) bf16-kahan (compensated)"}},
                   [](const Values& values) {
                     RecipeChoice choice = everywhere(bf16_site());
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

// ---- FP8 --------------------------------------------------------------------------------------------------------

RecipeChoice ms_amp(bool fp8_moments) {
  const auto q = [](const char* format, int window) {
    return delayed(format, DelayedUpdate::MsAmp, window, Arithmetic::MsAmp);
  };
  RecipeChoice choice = beside_bf16(SitePrecision::of_tensors(q("e4m3", 16), q("e4m3", 1), q("e5m2", 16), to_bf16()));
  choice.state.weights = "fp16";
  choice.state.gradients = "e4m3";
  choice.state.weight_scaling = choice.state.gradient_scaling = "ms-amp";
  if (fp8_moments) {
    choice.state.moment1 = "e4m3";
    choice.state.moment2 = "fp16";
    choice.state.state_scaling = "ms-amp";
  }
  return choice;
}

void add_ms_amp(std::vector<Recipe>& table) {
  const auto add = [&](const char* name, const char* summary, bool fp8_moments, std::string notes) {
    table.push_back(with_options(name, "MS-AMP (FP8-LM, arXiv 2310.18313)", summary,
                                 options({"history", "margin", "rounding", "random_bits"}),
                                 [fp8_moments] { return ms_amp(fp8_moments); }));
    table.back().notes = std::move(notes);
  };
  const std::string linears =
      "MS-AMP keeps weights and gradients so for linears alone, here it is all parameters; it replaces the LM head "
      "too, "
      "which stays in bf16 here (precision.lm_head=recipe changes that).";
  add("ms-amp-o1",
      "x, w E4M3, dy E5M2, delayed power-of-two scales, window 16; fp16 weights with a scale and no fp32 master, E4M3 "
      "weight gradients",
      false, linears);
  add("ms-amp-o2", "as ms-amp-o1, and the moments in E4M3 and fp16, all with power-of-two scales", true, linears);
  add("ms-amp-o3",
      "as ms-amp-o2, number for number on one device: O3 keeps a second, E4M3 copy of the fp16 weights for ZeRO to "
      "gather",
      true,
      "That copy is the fp16 masters cast to E4M3 under their current scale, which is what the matmuls of O2 read; its "
      "byte per parameter is not counted here, and partitions, FP8 collectives and their scales over ranks have no "
      "meaning on one device. O3 runs inside DeepSpeed, which keeps what is no linear in fp16 over fp32 masters and "
      "scales the loss by its own setting; here all parameters are fp16 with a scale and the loss is not scaled. " +
          linears);
}

}  // namespace

void add_storage(std::vector<Recipe>& table) {
  add_apex(table);
  add_bf16(table);
  add_ms_amp(table);
}

}  // namespace precipice::recipe_parts
