// SPDX-License-Identifier: Apache-2.0
#include "experiments/formats/recipes_report.h"

#include "precision/accumulator/accumulator_presets.h"
#include "precision/gemm/unit_operands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "experiments/formats/storage_report.h"
#include "precision/policy/element_precision.h"
#include "precision/scaling/scale_rule_table.h"
#include "train/estimates/planned_products.h"
#include "train/recipes/describe.h"
#include "train/recipes/recipes.h"
#include "train/recipes/resolved_run.h"

namespace precipice {
namespace {

// "`mxfp8-floor`, `-ceil`, ... and `-even`"
std::string rule_suffixes() {
  std::vector<std::string> names;
  for (const ScaleRuleInfo& rule : scale_rules())
    if (rule.is_e8m0) names.push_back(fmt::format("`{}-{}`", names.empty() ? "mxfp8" : "", rule.name));
  const std::string last = names.back();
  names.pop_back();
  return fmt::format("{} and {}", fmt::join(names, ", "), last);
}

struct Row {
  const char* gemm;
  const char* operand;
  std::string linear, attention, lm_head;
};

std::vector<Row> rows_of(const RecipeChoice& choice) {
  std::vector<Row> rows;
  const auto add = [&](const char* gemm, const char* operand, auto get) {
    rows.push_back(
        {gemm, operand, describe(get(choice.linear)), describe(get(choice.attention)), describe(get(choice.lm_head))});
  };
  add("fprop", "x", [](const SitePrecision& s) { return s.fprop.first; });
  add("fprop", "w", [](const SitePrecision& s) { return s.fprop.second; });
  add("dgrad", "dy", [](const SitePrecision& s) { return s.dgrad.first; });
  add("dgrad", "w", [](const SitePrecision& s) { return s.dgrad.second; });
  add("wgrad", "dy", [](const SitePrecision& s) { return s.wgrad.first; });
  add("wgrad", "x", [](const SitePrecision& s) { return s.wgrad.second; });
  add("fprop", "y", [](const SitePrecision& s) { return s.fprop.arithmetic; });
  add("dgrad", "dx", [](const SitePrecision& s) { return s.dgrad.arithmetic; });
  add("wgrad", "dw", [](const SitePrecision& s) { return s.wgrad.arithmetic; });
  return rows;
}

// What accumulator=native stands for at one kind of site.
std::string native_line(const SitePrecision& site, const NativeUnit& native) {
  std::string text;
  const auto add = [&](const char* pass, const GemmPrecision& gemm, Pass which) {
    Accumulator accumulator = parse_accumulator("native");
    accumulator = resolved_accumulator(named_accumulator(accumulator, native, which), gemm.first, gemm.second);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", pass,
                        accumulator.kind == AccumulatorKind::Fp32 ? "fp32 of the library" : short_name(accumulator));
  };
  add("fprop", site.fprop, Pass::Fprop), add("dgrad", site.dgrad, Pass::Dgrad), add("wgrad", site.wgrad, Pass::Wgrad);
  return text;
}

std::string native_lines(const RecipeChoice& choice, const NativeUnit& native) {
  if (native.hardware == Hardware::Unknown) return "  the recipe is for no hardware that is known\n";
  std::string text = fmt::format("  linears: {}\n", native_line(choice.linear, native));
  if (!(choice.attention == choice.linear))
    text += fmt::format("  attention products: {}\n", native_line(choice.attention, native));
  if (!(choice.lm_head == choice.linear)) text += fmt::format("  LM head: {}\n", native_line(choice.lm_head, native));
  return text;
}

std::string smooth_line(const SitePrecision& site) {
  switch (site.smooth_swiglu) {
    case SmoothSwiglu::Off:
      return "";
    case SmoothSwiglu::IfGated:
    case SmoothSwiglu::Channel:
      return "SwiGLU's linear branch is divided by the largest magnitude of each channel before mlp.down quantizes x, "
             "and w multiplied by it (Smooth-SwiGLU)";
    case SmoothSwiglu::Token:
      return "SwiGLU's linear branch is divided by the largest magnitude of each token before mlp.down quantizes x, "
             "and the result multiplied by it (Smooth-SwiGLU)";
  }
  return "";
}

// The nine lines of a site, operands that are alike in all six slots as one.
std::string site_lines(const SitePrecision& site) {
  std::string text;
  const RecipeChoice choice{site, site, site};
  const std::vector<Row> rows = rows_of(choice);
  const bool one =
      std::all_of(rows.begin(), rows.begin() + 6, [&](const Row& row) { return row.linear == rows[0].linear; }) &&
      rows[6].linear == rows[7].linear && rows[6].linear == rows[8].linear;
  for (const std::string& line : {smooth_line(site), describe(site.flash)})
    if (!line.empty()) text += fmt::format("    {}\n", line);
  if (one) return text + fmt::format("    all operands {}; {}\n", rows[0].linear, rows[6].linear);
  for (const Row& row : rows) text += fmt::format("    {:<5} {:<3} {}\n", row.gemm, row.operand, row.linear);
  return text;
}

std::string element_lines(const ElementPrecision& e) {
  return fmt::format("  element-wise operations {}, residual stream {}, softmax {}, norms {}, their gains {}\n",
                     describe(e.vector), describe(e.residual), describe(e.softmax), describe(e.norm),
                     describe(e.norm_weights));
}

// With AdamW, the optimizer of the published systems.
std::string storage_of(const RecipeChoice& choice, const std::string& indent) {
  return storage_lines("adamw", parse_stored_formats(choice.state), choice.loss_scale, indent);
}

// What a spelling with options does to the operands of the linears: a summary of the recipe alone would say otherwise.
std::string headline(const Recipe& recipe, const RecipeChoice& choice, const std::string& given) {
  if (given.find(':') == std::string::npos) return recipe.summary;
  const std::string x = describe(choice.linear.fprop.first), w = describe(choice.linear.fprop.second),
                    dy = describe(choice.linear.dgrad.first);
  return x == w && w == dy ? "linears: all operands " + x : fmt::format("linears: x {}; w {}; dy {}", x, w, dy);
}

bool is_mask(const Recipe& recipe) {
  return recipe.name.starts_with("e8m");
}

std::string other_names(const Recipe& recipe) {
  return recipe.aliases.empty() ? "" : fmt::format("; also called {}", fmt::join(recipe.aliases, ", "));
}

}  // namespace

std::string recipes_list() {
  std::string text;
  for (const Recipe& recipe : recipes())
    text += fmt::format("{:<24} {}{}\n", recipe.name, recipe.summary, other_names(recipe));
  return text + "precipice recipes NAME shows a recipe's table, source and options.\n";
}

std::string recipe_table(const std::string& given) {
  const RecipeChoice choice = make_recipe(given);
  const Recipe& recipe = find_recipe(given.substr(0, given.find(':')));
  std::string text = fmt::format("{}: {}\nsource: {}\n\nlinears\n", given, headline(recipe, choice, given),
                                 recipe.citation.empty() ? "none" : recipe.citation);
  const std::vector<Row> rows = rows_of(choice);
  for (const Row& row : rows) text += fmt::format("  {:<5} {:<3} {}\n", row.gemm, row.operand, row.linear);
  if (!smooth_line(choice.linear).empty()) text += fmt::format("  in a Llama: {}\n", smooth_line(choice.linear));
  const auto others = [&](const char* name, std::string Row::*column) {
    text += fmt::format("\n{}\n", name);
    for (const Row& row : rows) text += fmt::format("  {:<5} {:<3} {}\n", row.gemm, row.operand, row.*column);
  };
  if (!(choice.attention == choice.linear)) others("attention products", &Row::attention);
  if (!(choice.lm_head == choice.linear)) others("LM head", &Row::lm_head);
  if (!(choice.elements == ElementPrecision{})) text += "\nbetween the matmuls\n" + element_lines(choice.elements);
  text += "\nbetween steps\n" + storage_of(choice, "  ");
  text += "\nwhat accumulator=native stands for\n" + native_lines(choice, recipe.native);
  if (!recipe.notes.empty()) text += "\nwhere it differs\n  " + recipe.notes + "\n";
  if (!recipe.options.empty()) text += "\noptions\n";
  for (const RecipeOption& option : recipe.options) text += fmt::format("  {:<22} {}\n", option.name, option.help);
  return text;
}

std::string precision_plan(const ResolvedRun& run) {
  const RunConfig& config = run.config;
  const PrecisionSchedule& schedule = run.schedule;
  std::string text;
  for (std::size_t i = 0; i < schedule.policies.size(); ++i) {
    const std::int64_t last = i + 1 < schedule.policies.size() ? schedule.first_steps[i + 1] : config.train.steps;
    text += fmt::format("precision   {}, steps {} to {}\n", config.precision.recipe, schedule.first_steps[i], last - 1);
    const PrecisionPolicy& policy = schedule.policies[i];
    const std::vector<std::string> names = policy.site_names();
    std::vector<bool> told(names.size(), false);
    for (std::size_t site = 0; site < names.size(); ++site) {
      if (told[site]) continue;
      std::string alike;
      for (std::size_t other = site; other < names.size(); ++other) {
        if (!(policy.at(other) == policy.at(site))) continue;
        told[other] = true;
        alike += (alike.empty() ? "" : " ") + names[other];
      }
      text += fmt::format("  {}\n{}", alike, site_lines(policy.at(site)));
    }
    text += "  products on this CPU\n" + describe_products(config, policy, "    ");
  }
  return text + "between steps\n" + storage_lines(config.optimizer.kind, run.stored, config.loss_scale, "  ");
}

std::string recipes_reference() {
  std::string text =
      "# Recipes\n\n"
      "Written by `precipice recipes --reference`. `precision.recipe` takes a name with options, "
      "`mxfp8:rule=rceil,element=e5m2`; so do rules (`precision.rules`), `precipice cast --recipe` and `precipice "
      "gemm`. "
      "A rule takes a recipe's matmuls alone. "
      "`precipice recipes NAME` prints the table of a spelling. A row's operand is quantized from the high-precision "
      "tensor, "
      "with blocks and rows along the contraction of its own GEMM. " +
      rule_suffixes() +
      " are `mxfp8:rule=...`; the same for every recipe with that option. Formulas: `precision/scaling/scale_rules.h`. "
      "Weights, moments and gradients are fp32 and the loss is not scaled where nothing is said of them "
      "([STATES.md](STATES.md)).\n";
  for (const Recipe& recipe : recipes()) {
    if (is_mask(recipe) && recipe.name != "e8m3") continue;
    const RecipeChoice choice = make_recipe(recipe.name);
    text += fmt::format("\n## {}\n\n{}.{}\n\n", is_mask(recipe) ? "e8m0 to e8m7" : recipe.name,
                        recipe.summary + other_names(recipe),
                        recipe.citation.empty() ? "" : " Source: " + recipe.citation + ".");
    text += "| GEMM | tensor | linears |\n| --- | --- | --- |\n";
    for (const Row& row : rows_of(choice)) text += fmt::format("| {} | {} | {} |\n", row.gemm, row.operand, row.linear);
    const bool everywhere = choice.attention == choice.linear && choice.lm_head == choice.linear;
    text += everywhere
                ? "\nThe same in attention products and LM head.\n"
                : fmt::format("\nAttention products and LM head: operands {}, result {}.\n",
                              describe(choice.lm_head.fprop.first), describe(choice.lm_head.fprop.arithmetic.output));
    if (!smooth_line(choice.linear).empty()) text += fmt::format("\nIn a Llama, {}.\n", smooth_line(choice.linear));
    if (!(choice.elements == ElementPrecision{})) text += "\nBetween the matmuls:\n" + element_lines(choice.elements);
    if (const std::string storage = storage_of(choice, "- "); storage != storage_of({}, "- "))
      text += "\nBetween steps:\n\n" + storage;
    if (!recipe.notes.empty()) text += "\nWhere it differs: " + recipe.notes + "\n";
    if (recipe.options.empty()) continue;
    text += "\nOptions:";
    for (const RecipeOption& option : recipe.options) text += fmt::format(" `{}`", option.name);
    text += ".\n";
  }
  text += "\n## Options\n\n| option | values |\n| --- | --- |\n";
  std::vector<std::string> seen;
  for (const Recipe& recipe : recipes())
    for (const RecipeOption& option : recipe.options) {
      if (std::find(seen.begin(), seen.end(), option.name) != seen.end()) continue;
      seen.push_back(option.name);
      text += fmt::format("| `{}` | {} |\n", option.name, option.help);
    }
  return text;
}

}  // namespace precipice
