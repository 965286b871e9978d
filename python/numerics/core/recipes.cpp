// SPDX-License-Identifier: Apache-2.0
// The table of recipes and of accumulators, as Python's lists and dictionaries.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "precision/accumulator/accumulator_presets.h"
#include "python/numerics/core/core.h"
#include "train/recipes/recipes.h"

namespace precipice::python {
namespace {

nb::dict facts_of(const Recipe& recipe) {
  nb::dict options, facts;
  for (const RecipeOption& option : recipe.options) options[option.name.c_str()] = option.help;
  facts["name"] = recipe.name;
  facts["summary"] = recipe.summary;
  facts["citation"] = recipe.citation;
  facts["notes"] = recipe.notes;
  facts["aliases"] = recipe.aliases;
  facts["options"] = options;
  return facts;
}

}  // namespace

void add_recipes(nb::module_& m) {
  m.def("recipe_names", &recipe_names);
  m.def("canonical_recipe", [](const std::string& text) { return canonical_recipe(text); });
  m.def("recipe_facts", [](const std::string& text) { return facts_of(find_recipe(recipe_name(text))); });
  m.def("canonical_accumulator", [](const std::string& text) { return to_string(parse_accumulator(text)); });
  m.def("preset_accumulators", [] {
    nb::dict list;
    for (const PresetAccumulator& preset : preset_accumulators()) list[preset.name] = preset.citation;
    return list;
  });
}

}  // namespace precipice::python
