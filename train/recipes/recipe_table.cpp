// SPDX-License-Identifier: Apache-2.0
// The recipes of matmuls: formulas, operation by operation, are in precision/scaling/scale_rules.h; what is said here
// is which tensor gets which quantizer in which GEMM. Those that are more than matmuls are in recipe_table_storage.cpp.
#include <fmt/format.h>

#include "train/recipes/recipe_parts.h"

namespace precipice {
namespace {

using namespace recipe_parts;

void add_plain(std::vector<Recipe>& table) {
  table.push_back(with_options("fp32", "IEEE 754-2019", "nothing is rounded", {}, [] { return RecipeChoice{}; }));
  table.push_back(with_options("custom", "", "fp32, to be changed by precision.x, precision.w, ... and rules", {},
                               [] { return RecipeChoice{}; }));
  table.push_back(with_options("tf32", "NVIDIA A100 white paper, 2020", "operands in tf32, fp32 results", {},
                               [] { return everywhere(same(unscaled("tf32"), {})); }));
  for (const char* name : {"bf16", "bf16-autocast"})
    table.push_back(with_options(
        name, "PyTorch autocast",
        "operands and results of every matmul in bf16; residual stream, norms and softmax in fp32, and what autocast "
        "keeps in bf16 between them is rounded where the next matmul reads it",
        {}, [] { return everywhere(bf16_site()); }));
  table.push_back(
      with_options("fp16", "IEEE 754-2019", "operands and results of every matmul in fp16, no loss scaling", {}, [] {
        GemmArithmetic arithmetic;
        arithmetic.output = unscaled("fp16");
        return everywhere(same(unscaled("fp16"), arithmetic));
      }));
}

void add_masks(std::vector<Recipe>& table) {
  for (int bits = 0; bits <= 7; ++bits)
    table.push_back({fmt::format("e8m{}", bits), "arXiv 2405.18710",
                     fmt::format("bf16 operands cut to {} mantissa bits by truncation at every matmul, forward and "
                                 "backward, no scaling; bf16 results",
                                 bits),
                     options({"rounding", "random_bits"}), [bits](const Values& values) {
                       MatrixQuantizer q = bf16();
                       q.element.mantissa_bits = bits;
                       q.rounding = Rounding::TowardZero;
                       q.through_bf16 = true;
                       SitePrecision site = same(q, to_bf16());
                       apply_options(site, values);
                       return everywhere(site);
                     }});
  table.push_back({"e7m7", "arXiv 2405.18710, section 4.2",
                   "bf16 operands clamped to 7 exponent bits at both ends, no scaling; bf16 results",
                   options({"clamp", "rounding", "random_bits"}), [](const Values& values) {
                     MatrixQuantizer q = unscaled("e7m7");
                     q.overflow = Overflow::Propagate;
                     q.rounding = Rounding::TowardZero;
                     q.through_bf16 = true;
                     const std::string clamp = values.count("clamp") != 0 ? values.at("clamp") : "both";
                     if (clamp != "both" && clamp != "inner" && clamp != "outer")
                       throw ConfigError({"", 0, "clamp", clamp}, "must be both, inner or outer");
                     if (clamp == "inner") q.range = bf16().element;
                     if (clamp == "outer") q.range = q.element, q.element = bf16().element;
                     SitePrecision site = same(q, to_bf16());
                     apply_options(site, values);
                     return everywhere(site);
                   }});
}

// The rule of an arithmetic that lacks the recipe's, and the arithmetic of a rule that the recipe's lacks.
void settle_rule(Values& values, ScaleRule rule, Arithmetic arithmetic) {
  const bool has_own_rule = values.count("rule") != 0;
  if (values.count("arithmetic") != 0 && !has_own_rule) {
    const Arithmetic given = parse_arithmetic(values.at("arithmetic"));
    if (!has_rule(given, rule) && has_rule(given, ScaleRule::Floor)) values["rule"] = "floor";
  }
  if (values.count("arithmetic") == 0 && has_own_rule && !has_rule(arithmetic, parse_scale_rule(values.at("rule"))))
    values["arithmetic"] = "te";
}

SitePrecision fp8_site(const MatrixQuantizer& forward, const MatrixQuantizer& gradient) {
  return SitePrecision::of_tensors(forward, forward, gradient, to_bf16());
}

void add_transformer_engine(std::vector<Recipe>& table) {
  constexpr Arithmetic te = Arithmetic::Te;
  const auto current = [] {
    return fp8_site(scaled("e4m3", ScaleKind::Tensor, te), scaled("e5m2", ScaleKind::Tensor, te));
  };
  const auto current_options =
      options({"pow2", "amax_floor", "arithmetic", "element", "rounding", "dy_rounding", "random_bits", "scales"});
  const char* cite = "NVIDIA Transformer Engine, Float8CurrentScaling (HYBRID)";
  table.push_back(with_options("te-current", cite, "x, w E4M3, dy E5M2, current per-tensor scales", current_options,
                               [current] { return beside_bf16(current()); }));
  table.push_back(with_options("fp8", cite, "another name of te-current", current_options,
                               [current] { return beside_bf16(current()); }));
  table.push_back({"fp8-all", cite, "te-current in attention products and LM head too", current_options,
                   [current](const Values& values) {
                     SitePrecision site = current();
                     apply_options(site, values);
                     return everywhere(site);
                   }});
  table.push_back({"te-delayed", "NVIDIA Transformer Engine, DelayedScaling (HYBRID)",
                   "x, w E4M3, dy E5M2, per-tensor scales from the amaxes of earlier steps",
                   options({"history", "algo", "margin", "arithmetic", "rounding", "random_bits", "scales"}),
                   [](const Values& values) {
                     SitePrecision site = fp8_site(delayed("e4m3", DelayedUpdate::Te, 1024, te),
                                                   delayed("e5m2", DelayedUpdate::Te, 1024, te));
                     apply_options(site, values);
                     for_operands(site, [](MatrixQuantizer& q) {
                       if (q.arithmetic == Arithmetic::TeUnfused) q.delayed->update = DelayedUpdate::TeUnfused;
                     });
                     return beside_bf16(site);
                   }});
  table.push_back(with_options("te-block", "NVIDIA Transformer Engine, Float8BlockScaling",
                               "E4M3; x, dy in 1x128 blocks, w in 128x128 blocks",
                               options({"pow2", "amax_floor", "block", "arithmetic", "element", "rounding",
                                        "dy_rounding", "random_bits", "scales"}),
                               [] {
                                 MatrixQuantizer x = blocks("e4m3", 1, 128, te), w = blocks("e4m3", 128, 128, te);
                                 x.power_of_two = w.power_of_two = true;
                                 return beside_bf16(SitePrecision::of_tensors(x, w, x, to_bf16()));
                               }));
}

void add_mx(std::vector<Recipe>& table) {
  const auto mx_options = options({"rule", "element", "arithmetic", "block", "rounding", "dy_rounding", "random_bits",
                                   "flush_subnormal_blocks", "exponent_bump", "scales"});
  const auto mx = [&](const char* name, const char* format, ScaleRule rule, Arithmetic arithmetic,
                      const char* summary) {
    table.push_back(with_options(name, "OCP MX v1.0", summary, mx_options, [=] {
      const MatrixQuantizer q = e8m0_blocks(format, rule, arithmetic);
      return beside_bf16(SitePrecision::of_tensors(q, q, q, to_bf16()));
    }));
    table.back().make = [=, plain = table.back().make](Values values) {
      settle_rule(values, rule, arithmetic);
      return plain(values);
    };
  };
  mx("mxfp8", "e4m3", ScaleRule::Rceil, Arithmetic::Te,
     "E4M3 in blocks of 32 with E8M0 scales, rule rceil as NVIDIA Transformer Engine's MXFP8BlockScaling");
  mx("mxfp6", "e2m3", ScaleRule::Floor, Arithmetic::MicroxcalingCuda,
     "E2M3 in blocks of 32 with E8M0 scales, rule floor; what is left of a block is padded");
  mx("mxfp4", "e2m1", ScaleRule::Floor, Arithmetic::MicroxcalingCuda,
     "E2M1 in blocks of 32 with E8M0 scales, rule floor; what is left of a block is padded");
  table.push_back(with_options(
      "mx-systems-scaling", "arXiv 2506.20752, with microxcaling",
      "E4M3 in blocks of 32 everywhere, ties away from zero; element-wise operations in bf16, gains of norms in MX too",
      mx_options, [] {
        MatrixQuantizer q = e8m0_blocks("e4m3", ScaleRule::Floor, Arithmetic::Microxcaling);
        q.rounding = Rounding::NearestAway;
        RecipeChoice choice = everywhere(SitePrecision::of_tensors(q, q, q, to_bf16()));
        choice.elements = in_bf16();
        choice.elements.norm_weights = q;
        return choice;
      }));
  table.back().make = [plain = table.back().make](Values values) {
    settle_rule(values, ScaleRule::Floor, Arithmetic::Microxcaling);
    return plain(values);
  };
  table.push_back(with_options("bfp", "block floating point: e.g. Drumond et al., arXiv 1804.01526",
                               "signed mantissas under a shared exponent",
                               options({"mantissa", "block", "rounding", "random_bits"}), [] {
                                 MatrixQuantizer q = blocks("e0m7", 1, 32, Arithmetic::Te);
                                 q.rule = ScaleRule::SharedExponent;
                                 return beside_bf16(SitePrecision::of_tensors(q, q, q, to_bf16()));
                               }));
  auto make = table.back().make;
  table.back().make = [make](const Values& values) {
    RecipeChoice choice = make(values);
    if (const auto m = values.find("mantissa"); m != values.end()) {
      const auto bits = parse_whole("mantissa", m->second, 1, 23);
      for_operands(choice.linear,
                   [bits](MatrixQuantizer& q) { q.element = parse_float_format(fmt::format("e0m{}", bits)); });
    }
    return choice;
  };
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
                     MatrixQuantizer x = blocks("e2m1", 1, 16, torchao ? Arithmetic::Torchao : Arithmetic::Te), w = x,
                                     dy = x;
                     x.rule = w.rule = dy.rule = ScaleRule::Nvfp4;
                     if (!torchao) w.block_across = 16;
                     dy.rounding = Rounding::Stochastic;
                     SitePrecision site = SitePrecision::of_tensors(x, w, dy, to_bf16());
                     const auto rht = values.find("rht");
                     const bool rotates = rht == values.end() ? !torchao : parse_flag("rht", rht->second);
                     site.wgrad.first.hadamard = site.wgrad.second.hadamard = rotates;
                     apply_options(site, values);
                     if (values.count("row_scaled") != 0)  // activations only
                       for_operands(
                           site, [](MatrixQuantizer& q) { q.row_scaled = false; }, "w");
                     return beside_bf16(site);
                   }});
}

void add_torchao(std::vector<Recipe>& table) {
  constexpr Arithmetic ao = Arithmetic::Torchao;
  const auto names = options({"pow2", "amax_floor", "rounding", "random_bits", "scales"});
  table.push_back(with_options(
      "torchao-tensorwise", "torchao float8, tensorwise", "x, w E4M3, dy E5M2, current per-tensor scales", names, [] {
        return beside_bf16(fp8_site(scaled("e4m3", ScaleKind::Tensor, ao), scaled("e5m2", ScaleKind::Tensor, ao)));
      }));
  const auto rowwise = [] {
    MatrixQuantizer q = scaled("e4m3", ScaleKind::Row, ao);
    q.power_of_two = true;
    return SitePrecision::of_tensors(q, q, q, to_bf16());
  };
  table.push_back(with_options("torchao-rowwise", "torchao float8, rowwise",
                               "all E4M3 with one power-of-two scale per row of each matmul's contraction", names,
                               [rowwise] { return beside_bf16(rowwise()); }));
  table.push_back(with_options("torchao-rowwise-gw-hp", "torchao float8, rowwise_with_gw_hp",
                               "as rowwise; w of dgrad per tensor; wgrad in bf16", names, [rowwise] {
                                 SitePrecision site = rowwise();
                                 site.dgrad.second.kind = ScaleKind::Tensor;
                                 site.wgrad = bf16_site().wgrad;
                                 return beside_bf16(site);
                               }));
}

void add_others(std::vector<Recipe>& table) {
  table.push_back(
      with_options("deepseek-v3", "DeepSeek-V3, arXiv 2412.19437, section 3.3",
                   "E4M3; x, dy in 1x128 blocks, w in 128x128 blocks, amax raised to 1e-4; both moments in bf16",
                   options({"arithmetic", "pow2", "amax_floor", "block", "rounding", "random_bits", "scales"}), [] {
                     const MatrixQuantizer x = blocks("e4m3", 1, 128, Arithmetic::DeepGemm);
                     const MatrixQuantizer w = blocks("e4m3", 128, 128, Arithmetic::DeepGemm);
                     RecipeChoice choice = beside_bf16(SitePrecision::of_tensors(x, w, x, to_bf16()));
                     choice.state.moment1 = choice.state.moment2 = "bf16";
                     return choice;
                   }));
  table.push_back(
      with_options("intel-fp8", "Fishman et al., arXiv 2409.12517",
                   "forward E4M3 with largest value 240, backward operands re-cast to E5M2, delayed "
                   "power-of-two scales, stochastic gradients; moments in E4M3 and E5M2 with current scales",
                   options({"smooth_swiglu", "history", "rounding", "random_bits"}), [] {
                     const auto q = [](const char* format) {
                       MatrixQuantizer quantizer = delayed(format, DelayedUpdate::Te, 1024, Arithmetic::Te);
                       quantizer.delayed->power_of_two = true;
                       quantizer.delayed->interval = 1024;
                       return quantizer;
                     };
                     SitePrecision site = fp8_site(q("gaudi_e4m3"), q("e5m2"));
                     site.dgrad.second = site.wgrad.second = q("e5m2");
                     site.dgrad.first.rounding = site.wgrad.first.rounding = Rounding::Stochastic;
                     site.smooth_swiglu = SmoothSwiglu::IfGated;
                     RecipeChoice choice = beside_bf16(site);
                     choice.state.moment1 = "e4m3";
                     choice.state.moment2 = "e5m2";
                     return choice;
                   }));
  table.back().make = [plain = table.back().make](const Values& values) {
    RecipeChoice choice = plain(values);
    if (const auto given = values.find("smooth_swiglu"); given != values.end())
      choice.linear.smooth_swiglu = parse_smooth_swiglu(given->second);
    return choice;
  };
  table.back().notes =
      "Largest value of E4M3 moments 448 as in OCP's format: whether the moments on Gaudi end at 240, as its matmuls "
      "do, "
      "is not in the sources at hand; nor is the format of the weights, fp32 here.";
  table.push_back(with_options("fp8-sim-2022", "Micikevicius et al., arXiv 2209.05433",
                               "inputs of every linear in one FP8 format with its own bias, no scaling",
                               options({"element", "rounding", "random_bits"}), [] {
                                 MatrixQuantizer q = unscaled("e4m3");
                                 q.overflow = Overflow::Saturate;
                                 return beside_bf16(SitePrecision::of_tensors(q, q, q, to_bf16()));
                               }));
  table.push_back(with_options("int8", "symmetric quantization: e.g. Jacob et al., arXiv 1712.05877",
                               "int8 with a scale per token (x, dy) and per output channel (w)",
                               options({"pow2", "amax_floor", "rounding", "dy_rounding", "random_bits", "scales"}), [] {
                                 const MatrixQuantizer q = scaled("int8", ScaleKind::Row, Arithmetic::Te);
                                 return beside_bf16(SitePrecision::of_tensors(q, q, q, to_bf16()));
                               }));
}

}  // namespace

namespace {

// The option "everywhere" of every recipe that leaves attention products and LM head in something else.
void add_everywhere(Recipe& recipe) {
  const RecipeChoice plain = recipe.make({});
  if (plain.attention == plain.linear && plain.lm_head == plain.linear) return;
  recipe.options.push_back(options({"everywhere"}).front());
  recipe.make = [make = recipe.make](const Values& values) {
    RecipeChoice choice = make(values);
    const auto given = values.find("everywhere");
    if (given != values.end() && parse_flag("everywhere", given->second))
      choice.attention = choice.lm_head = choice.linear;
    return choice;
  };
}

}  // namespace

const std::vector<Recipe>& recipes() {
  static const std::vector<Recipe> table = [] {
    std::vector<Recipe> all;
    add_plain(all);
    add_masks(all);
    add_transformer_engine(all);
    add_mx(all);
    add_nvfp4(all);
    add_torchao(all);
    add_others(all);
    add_storage(all);
    for (Recipe& recipe : all) add_everywhere(recipe);
    return all;
  }();
  return table;
}

}  // namespace precipice
