// SPDX-License-Identifier: Apache-2.0
// What the tables of recipes are written with: operands, sites, and options by name. Formulas behind the options are in
// precision/scaling/scale_rules.h.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "train/recipes/recipe_settings.h"

namespace precipice::recipe_parts {

using Values = RecipeOptionValues;

// ---- operands ---------------------------------------------------------------------------------------------------

ElementQuantizer bf16();
ElementQuantizer unscaled(const char* format);
QuantizerSettings scaled(const char* format, ScaleKind kind, Arithmetic arithmetic);
QuantizerSettings blocks(const char* format, std::int64_t across, std::int64_t along, Arithmetic arithmetic);
QuantizerSettings e8m0_blocks(const char* format, ScaleRule rule, Arithmetic arithmetic);
QuantizerSettings delayed(const char* format, DelayedUpdate update, int history, Arithmetic arithmetic);

GemmArithmetic to_bf16();
SiteSettings same(const QuantizerSettings& operand, const GemmArithmetic& arithmetic);
SiteSettings bf16_site();
// Attention products and LM head in bf16, as every FP8 recipe of a published system leaves them.
RecipeSettings beside_bf16(const SiteSettings& linear);
SiteSettings fp8_site(const QuantizerSettings& forward, const QuantizerSettings& gradient);
RecipeSettings everywhere(const SiteSettings& site);
// Results of all operations between matmuls in bf16.
ElementSettings in_bf16();

// ---- options ----------------------------------------------------------------------------------------------------

bool parse_flag(const std::string& name, const std::string& value);
std::int64_t parse_whole(const std::string& name, const std::string& value, std::int64_t lowest, std::int64_t highest);

// The quantizers of a site that belong to a tensor, or all with "".
template <class F>
void for_operands(SiteSettings& site, const F& f, const std::string& tensor = "") {
  if (tensor != "dy" && tensor != "w") f(site.fprop.first), f(site.wgrad.second);
  if (tensor != "dy" && tensor != "x") f(site.fprop.second), f(site.dgrad.second);
  if (tensor != "x" && tensor != "w") f(site.dgrad.first), f(site.wgrad.first);
}

void apply_options(SiteSettings& site, const Values& values);
// Options that change quantizers by themselves, and what one does to a quantizer; false where it has nothing that the
// option could change. Throws ConfigError for a value that the option cannot have.
const std::vector<std::string>& quantizer_options();
bool apply_option(QuantizerSettings& quantizer, const std::string& name, const std::string& value);
// Options by name, with what they may be.
std::vector<RecipeOption> options(std::initializer_list<const char*> names);
// What a recipe does with its options besides changing quantizers: before that to the values, after it to the choice.
struct OptionSteps {
  std::function<void(Values&)> prepare{};
  std::function<void(RecipeSettings&, const Values&)> finish{};
};
// A recipe whose options change its linears' quantizers, and those of attention products and LM head where they are the
// same.
Recipe with_options(std::string name, std::string citation, std::string summary, std::vector<RecipeOption> names,
                    std::function<RecipeSettings()> make, OptionSteps steps = {});

// ---- parts of the table: a vendor's or a paper's recipes are appended --------------------------------------------

void add_plain(std::vector<Recipe>& table);
void add_masks(std::vector<Recipe>& table);
void add_transformer_engine(std::vector<Recipe>& table);
void add_mx(std::vector<Recipe>& table);
void add_nvfp4(std::vector<Recipe>& table);
void add_torchao(std::vector<Recipe>& table);
void add_papers(std::vector<Recipe>& table);
void add_apex(std::vector<Recipe>& table);
void add_bf16_pure(std::vector<Recipe>& table);
void add_ms_amp(std::vector<Recipe>& table);

}  // namespace precipice::recipe_parts
