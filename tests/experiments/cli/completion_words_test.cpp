// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/completion_words.h"

#include <algorithm>
#include <set>
#include <variant>

#include "precision/format/float_format.h"
#include "tests/support/catch.h"
#include "train/config/run_config.h"
#include "train/recipes/recipes.h"
#include "train/run/resolve_config.h"

using namespace precipice;

namespace {

std::vector<std::string> words_of(const std::vector<Candidate>& candidates) {
  std::vector<std::string> words;
  for (const Candidate& candidate : candidates) words.push_back(candidate.word);
  return words;
}

std::vector<std::string> setting(const std::string& typed, bool several = false) {
  return words_of(complete_setting(typed, several).candidates);
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("every config key is offered with its help, and only those that begin as typed") {
  const std::vector<Candidate> all = complete_setting("", false).candidates;
  const std::vector<ConfigKey> keys = config_keys();
  REQUIRE(all.size() == keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) CHECK(all[i] == Candidate{keys[i].name + "=", keys[i].help});
  CHECK(setting("schedule.w") == Words{"schedule.warmup_steps="});
  CHECK(setting("nothing.of.this").empty());
}

TEST_CASE("the choices of a key are offered, flags have two, and numbers none") {
  CHECK(setting("model.kind=") == Words{"model.kind=gpt", "model.kind=llama", "model.kind=mlp"});
  CHECK(setting("precision.rounding=sr-") == Words{"precision.rounding=sr-b", "precision.rounding=sr-c"});
  CHECK(setting("model.bias=") == Words{"model.bias=true", "model.bias=false"});
  CHECK(setting("model.tied_head=f") == Words{"model.tied_head=false"});
  CHECK(setting("optimizer.lr=").empty());
  CHECK(setting("no.key=").empty());
}

TEST_CASE("precision.recipe takes every recipe, with its options behind a colon") {
  Words expected;
  for (const std::string& name : recipe_names()) expected.push_back("precision.recipe=" + name);
  CHECK(setting("precision.recipe=") == expected);
  CHECK(setting("precision.recipe=mxfp8:ru") == Words{"precision.recipe=mxfp8:rule="});
  CHECK(setting("precision.recipe=mxfp8:rule=floor,ele") == Words{"precision.recipe=mxfp8:rule=floor,element="});
  CHECK(setting("precision.recipe=mxfp8:rule=f").empty());
  CHECK(setting("precision.recipe=no-such-recipe:").empty());
}

TEST_CASE("keys that take formats offer formats, and every word that is offered is one that its key takes") {
  const Words x = setting("precision.x=");
  for (const PresetFormat& preset : preset_formats())
    CHECK(std::count(x.begin(), x.end(), std::string("precision.x=") + preset.name) == 1);
  CHECK(setting("precision.x=e4m3f") == Words{"precision.x=e4m3fnuz"});
  CHECK(setting("precision.x=hi") == Words{"precision.x=high"});
  CHECK(setting("optimizer.weights=rec") == Words{"optimizer.weights=recipe"});
  CHECK(setting("optimizer.weights=bf") == Words{"optimizer.weights=bf16"});
  CHECK(setting("optimizer.weight_scaling=cur") == Words{"optimizer.weight_scaling=current"});
  CHECK(setting("precision.rope_table=bf") == Words{"precision.rope_table=bf16"});
  RunConfig config;
  std::size_t offered = 0;
  for (const ConfigField& field : config_fields(config)) {
    std::set<std::string> distinct;
    for (const Candidate& value : complete_value(field.key, "")) {
      INFO(field.key << "=" << value.word);
      const Setting given = parse_assignment(field.key + "=" + value.word);
      CHECK_NOTHROW(checked_setting(given));
      // What has no listed choices is checked with the whole config; rope_table is a Llama's.
      if (field.choices.empty() && std::holds_alternative<std::string*>(field.target))
        CHECK_NOTHROW(resolve_config({parse_assignment("model.kind=llama"), given}));
      CHECK(distinct.insert(value.word).second);
      ++offered;
    }
  }
  CHECK(offered > 300);
}

TEST_CASE("keys that name a file leave its name to the shell") {
  for (const std::string key : {"data.path", "init.from"}) {
    const Completion completion = complete_setting(key + "=some/fi", false);
    CHECK(completion.names == Completion::Names::Files);
    CHECK(completion.before_name == key + "=");
    CHECK(completion.candidates.empty());
    CHECK(words_of(complete_key(key)) == Words{key});
  }
}

TEST_CASE("a sweep's setting is completed after its last comma, a run's as one value") {
  CHECK(setting("precision.recipe=bf16,mxfp8", true) == Words{"precision.recipe=bf16,mxfp8"});
  CHECK(setting("model.kind=gpt,l", true) == Words{"model.kind=gpt,llama"});
  CHECK(setting("model.kind=gpt,l", false).empty());
}

TEST_CASE("formats and recipes are offered with where they come from") {
  const std::vector<Candidate> formats = complete_format("e2");
  CHECK(words_of(formats) == Words{"e2m3", "e2m1"});
  CHECK(formats[0].description == "OCP MX v1.0");
  const std::vector<Candidate> recipe = complete_recipe("nvfp4", "--recipe=");
  REQUIRE(recipe.size() == 1);
  CHECK(recipe[0] == Candidate{"--recipe=nvfp4", find_recipe("nvfp4").summary});
}
