// SPDX-License-Identifier: Apache-2.0
#include "train/run/resolve_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "precision/policy/precision_rules.h"
#include "train/config/plants.h"
#include "train/recipes/operand_shapes.h"
#include "train/recipes/recipes.h"
#include "train/recipes/resolved_run.h"
#include "train/run/vector_config.h"

namespace precipice {
namespace {

constexpr std::size_t kMostRemembered = 256;

std::string plain(double value) {
  return fmt::format("{}", value);
}

void require(bool condition, const SettingPlaces& places, const std::string& key, const std::string& value,
             const std::string& problem) {
  if (condition) return;
  const auto place = places.find(key);
  throw ConfigError(place != places.end() ? place->second : ConfigError::Where{"", 0, key, value}, problem);
}

// Does `work`; what that refuses is said at the place of the key that it names, or of `key`. A recipe's own errors name
// the word recipe.
template <class Work>
auto with_places(const SettingPlaces& places, const std::string& key, const Work& work) {
  try {
    return work();
  } catch (const ConfigError& error) {
    const std::string& named = error.where().key;
    const auto place = places.find(named.empty() ? key : named == "recipe" ? "precision.recipe" : named);
    throw place == places.end() ? error : ConfigError(place->second, error.problem());
  }
}

// Which kinds of model have what a key asks for.
std::string only_kinds(const std::function<bool(const Architecture&)>& have, const char* what) {
  const std::vector<std::string> names = names_of_architectures(have);
  return fmt::format("only model.kind = \"{}\" {} {}", fmt::join(names, "\" or \""), names.size() == 1 ? "has" : "have",
                     what);
}

void check_rotary_positions(const RunConfig& c, const SettingPlaces& places) {
  const ModelConfig& m = c.model;
  if (m.kind->has_rotary_positions()) {
    require(m.head_size() % 2 == 0, places, "model.width", plain(double(m.width)),
            fmt::format("rotary positions need an even head size, not width / heads = {}", m.head_size()));
    return;
  }
  const bool theta = m.rope_theta != ModelConfig{}.rope_theta, table = !c.precision.rope_table.empty();
  if (!theta && !table) return;
  require(false, places, theta ? "model.rope_theta" : "precision.rope_table",
          theta ? plain(m.rope_theta) : c.precision.rope_table,
          only_kinds(std::mem_fn(&Architecture::has_rotary_positions), "rotary positions"));
}

void check_model(const RunConfig& c, const SettingPlaces& places) {
  const ModelConfig& m = c.model;
  require(m.width % m.heads == 0, places, "model.width", plain(double(m.width)),
          fmt::format("must be a multiple of model.heads = {}", m.heads));
  require(m.heads % m.key_heads() == 0, places, "model.kv_heads", plain(double(m.key_heads())),
          fmt::format("must divide model.heads = {}", m.heads));
  require(m.kind->has_biases || !m.bias, places, "model.bias", "true",
          fmt::format("model.kind = \"{}\" has no biases", m.kind->name));
  check_rotary_positions(c, places);
  if (m.kind->check != nullptr) with_places(places, "model.kind", [&] { m.kind->check(m); });
  require(!c.init.copied_head || !m.is_tied(), places, "init.copied_head", "true",
          "a tied head is the embedding; set model.tied_head = false");
  require(c.init.scheme == InitScheme::Gpt || c.init.std == InitConfig{}.std, places, "init.std", plain(c.init.std),
          fmt::format("init.scheme = \"{}\" has its own standard deviations; set init.scale",
                      spelling_of(c.init.scheme, kInitSchemes)));
}

// Storage and loss scaling as the recipe has them, where their keys do not say otherwise. The numbers of loss scaling
// come with its kind: a kind by hand has the keys' own defaults.
void follow_recipe(RunConfig& c, const SettingPlaces& places) {
  static thread_local std::map<std::string, RecipeChoice> known;  // the runs of a sweep have few different ones
  auto found = known.find(c.precision.recipe);
  if (found == known.end()) {
    RecipeChoice made = with_places(places, "precision.recipe", [&] { return make_recipe(c.precision.recipe); });
    if (known.size() >= kMostRemembered) known.clear();
    found = known.emplace(c.precision.recipe, std::move(made)).first;
  }
  const RecipeChoice& choice = found->second;
  for (const auto member :
       {&StateConfig::weights, &StateConfig::weight_scaling, &StateConfig::moment1, &StateConfig::moment2,
        &StateConfig::state_scaling, &StateConfig::gradients, &StateConfig::gradient_scaling})
    if (c.optimizer.state.*member == kOfRecipe) c.optimizer.state.*member = choice.state.*member;
  if (c.loss_scale.kind) return;
  c.loss_scale.kind = choice.loss_scale.kind;
  const auto follow = [&](const char* key, auto member) {
    if (!places.contains(key)) c.loss_scale.*member = choice.loss_scale.*member;
  };
  follow("loss_scale.initial", &LossScaleConfig::initial);
  follow("loss_scale.factor", &LossScaleConfig::factor);
  follow("loss_scale.window", &LossScaleConfig::window);
  follow("loss_scale.minimum", &LossScaleConfig::minimum);
  follow("loss_scale.maximum", &LossScaleConfig::maximum);
}

// Everything that the precision's check looks at: all keys but those that most sweeps vary.
std::string precision_key(const std::vector<ConfigField>& fields) {
  std::string key;
  for (const ConfigField& field : fields)
    if (field.key != "optimizer.lr" && !field.key.ends_with("seed")) key += value_text(field) + '\n';
  return key;
}

// All but what the texts of a precision say.
void check_combinations(const RunConfig& c, const SettingPlaces& places) {
  with_places(places, "model.kind", [&] { check_task(c); });
  check_model(c, places);
  // What a file of batches has is known when it is open.
  const std::int64_t vocabulary =
      c.data.source == DataSource::Batches ? std::numeric_limits<std::int64_t>::max() : c.data.vocabulary;
  with_places(places, "init.plant", [&] { check_plants(parse_plants(c.init.plant), c.model, vocabulary); });
  const bool generated = is_generated(c.data.source);
  require(generated || !c.data.path.empty(), places, "data.path", "\"\"",
          fmt::format("data.source = \"{}\" needs a file", to_string(c.data.source)));
  require(!generated || c.data.path.empty(), places, "data.path", c.data.path,
          fmt::format("data.source = \"{}\" reads no file; set data.source to text, tokens or batches",
                      to_string(c.data.source)));
  const std::int64_t most_symbols = c.data.source == DataSource::Zipf ? 65536 : 4096;
  require(!generated || c.data.vocabulary <= most_symbols, places, "data.vocabulary", plain(double(c.data.vocabulary)),
          fmt::format("the {} language has 2 to {} symbols", to_string(c.data.source), most_symbols));
  require(c.loss_scale.minimum <= c.loss_scale.maximum, places, "loss_scale.minimum", plain(c.loss_scale.minimum),
          fmt::format("must not exceed loss_scale.maximum = {}", plain(c.loss_scale.maximum)));
  require(c.loss_scale.minimum <= c.loss_scale.initial, places, "loss_scale.initial", plain(c.loss_scale.initial),
          fmt::format("must be at least loss_scale.minimum = {}", plain(c.loss_scale.minimum)));
  const double per_step = double(c.train.batch) * double(c.model.context);
  require(per_step <= 1 << 28, places, "train.batch", plain(double(c.train.batch)),
          "train.batch * model.context must not exceed 2^28 tokens");
  require(c.train.keep_checkpoints.empty() || c.train.keep_checkpoints.back() <= c.train.steps, places,
          "train.keep_checkpoints",
          plain(double(c.train.keep_checkpoints.empty() ? 0 : c.train.keep_checkpoints.back())),
          fmt::format("must not exceed train.steps = {}", c.train.steps));
  require(c.metrics.lbfgs_subspace < c.data.vocabulary, places, "metrics.lbfgs_subspace",
          plain(double(c.metrics.lbfgs_subspace)),
          fmt::format("must be below the vocabulary of {}; 0 takes all logits", c.data.vocabulary));
}

ResolvedRun checked_run(RunConfig config, const SettingPlaces& places) {
  return with_places(places, "precision.recipe", [&] {
    ResolvedRun run(std::move(config));
    check_operand_shapes(run.schedule, run.config);
    return run;
  });
}

// What follows from other keys.
void complete(RunConfig& config, const SettingPlaces& places) {
  for (auto* seed : {&config.init.seed, &config.data.seed, &config.precision.seed})
    if (!*seed) *seed = config.seed;
  if (config.data.source == DataSource::Text) config.data.vocabulary = 256;
  complete_for_vectors(config, places);
  with_places(places, "precision.rules",
              [&] { config.precision.rules = to_string(parse_rules(config.precision.rules)); });
  with_places(places, "precision.recipe", [&] { config.precision.recipe = canonical_recipe(config.precision.recipe); });
  config.model.tied_head = config.model.is_tied();
  config.model.kv_heads = config.model.key_heads();
  config.model.hidden = config.model.mlp_width();
  follow_recipe(config, places);
  check_combinations(config, places);
}

}  // namespace

void complete_config(RunConfig& config, const std::vector<ConfigField>& fields, const SettingPlaces& places) {
  static thread_local std::set<std::string> known_good;
  complete(config, places);
  std::string key = precision_key(fields);
  if (known_good.contains(key)) return;
  checked_run(config, places);
  if (known_good.size() >= kMostRemembered) known_good.clear();
  known_good.insert(std::move(key));
}

RunConfig resolve_config(const std::vector<Setting>& settings) {
  RunConfig config;
  const std::vector<ConfigField> fields = config_fields(config);
  complete_config(config, fields, apply_settings(settings, fields));
  return config;
}

ResolvedRun resolve_run(const std::vector<Setting>& settings) {
  RunConfig config;
  const SettingPlaces places = apply_settings(settings, config_fields(config));
  complete(config, places);
  return checked_run(std::move(config), places);
}

}  // namespace precipice
