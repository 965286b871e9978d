// SPDX-License-Identifier: Apache-2.0
// MS-AMP: linear.py, optim/adamw.py, deepspeed/runtime/fp8/fused_optimizer.py; arXiv 2310.18313.
#include <utility>

#include "train/recipes/recipe_parts.h"

namespace precipice::recipe_parts {
namespace {

RecipeSettings ms_amp(bool fp8_moments) {
  const auto q = [](const char* format, int window) {
    return delayed(format, DelayedUpdate::MsAmp, window, Arithmetic::MsAmp);
  };
  RecipeSettings choice = beside_bf16(SiteSettings::of_tensors(q("e4m3", 16), q("e4m3", 1), q("e5m2", 16), to_bf16()));
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

}  // namespace

void add_ms_amp(std::vector<Recipe>& table) {
  const auto add = [&](const char* name, const char* summary, bool fp8_moments, std::string notes) {
    table.push_back(with_options(name, "MS-AMP (FP8-LM, arXiv 2310.18313)", summary,
                                 options({"history", "margin", "rounding", "random_bits"}),
                                 [fp8_moments] { return ms_amp(fp8_moments); }));
    table.back().notes = std::move(notes);
  };
  const std::string linears =
      "MS-AMP keeps weights and gradients so for linears alone, here it is all parameters "
      "(optimizer.stored_parameters changes that); it replaces the LM head too, which stays in bf16 here "
      "(precision.lm_head=recipe changes that), and takes it apart from the embedding and from the optimizer "
      "(model.tied_head, init.copied_head, optimizer.frozen).";
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

}  // namespace precipice::recipe_parts
