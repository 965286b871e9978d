// SPDX-License-Identifier: Apache-2.0
// RunConfig: everything that a run depends on. Each component owns its Config struct and its defaults; config_fields()
// declares every key once (name, limits, help), and reading, checking, printing and docs/CONFIG.md all come from it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "metrics/divergence/divergence.h"
#include "optim/loss_scaler.h"
#include "optim/lr_schedule.h"
#include "optim/optimizer.h"
#include "precision/base/device_kind.h"
#include "precision/base/spellings.h"
#include "precision/gemm/carrier.h"
#include "precision/rounding/rounding.h"
#include "precision/scaling/quantizer_settings.h"
#include "train/config/architecture.h"
#include "train/config/metric_intervals.h"
#include "train/config/settings.h"

namespace precipice {

struct ModelConfig {
  std::int64_t layers = 2;
  std::int64_t width = 64;
  std::int64_t heads = 2;
  std::int64_t context = 64;      // tokens of a training sequence
  bool bias = false;              // in linears and LayerNorms
  std::optional<bool> tied_head;  // LM head shares the token embedding's weights; default: the architecture's
  const Architecture* kind = &architectures().front();
  std::optional<std::int64_t> hidden, kv_heads;  // default: mlp_width(), key_heads()
  std::optional<NormKind> qk_norm;               // of queries and keys; none
  NormPlacement norm_placement = NormPlacement::Pre;
  double norm_eps = 1e-5;
  double rope_theta = 10000;
  double softcap = 0;  // 0: none

  bool is_tied() const { return tied_head.value_or(kind->tied_head); }
  std::int64_t head_size() const { return width / heads; }
  std::int64_t key_heads() const { return kv_heads.value_or(heads); }
  std::int64_t key_width() const { return key_heads() * head_size(); }  // of keys, and of values
  std::int64_t mlp_width() const { return hidden ? *hidden : kind->hidden(width); }
};

enum class InitScheme : std::uint8_t { Gpt, TinyLlama };  // train/model/initial_std.h
inline constexpr Spellings<InitScheme, 2> kInitSchemes{
    {{"gpt", InitScheme::Gpt}, {"tinyllama", InitScheme::TinyLlama}}};

struct InitConfig {
  std::string from;                  // weights file of `precipice export`; empty: random
  double std = 0.02;                 // of scheme gpt
  std::optional<std::int64_t> seed;  // default: the run's seed
  InitScheme scheme = InitScheme::Gpt;
  double scale = 1;          // factor on the scheme's standard deviations
  std::string plant;         // train/config/plants.h
  bool copied_head = false;  // an untied head begins as the token embedding
};

enum class DataSource : std::uint8_t { Synthetic, Zipf, Text, Tokens, Batches, Teacher };  // train/data/tokens.h
inline constexpr Spellings<DataSource, 6> kDataSources{{{"synthetic", DataSource::Synthetic},
                                                        {"zipf", DataSource::Zipf},
                                                        {"text", DataSource::Text},
                                                        {"tokens", DataSource::Tokens},
                                                        {"batches", DataSource::Batches},
                                                        {"teacher", DataSource::Teacher}}};

// Made by the program, not read from a file.
constexpr bool is_generated(DataSource source) {
  return source == DataSource::Synthetic || source == DataSource::Zipf || source == DataSource::Teacher;
}
// A stream of tokens, of which batches are windows.
constexpr bool has_stream(DataSource source) {
  return source != DataSource::Batches && source != DataSource::Teacher;
}

inline std::string to_string(DataSource source) {
  return spelling_of(source, kDataSources);
}

struct DataConfig {
  DataSource source = DataSource::Synthetic;
  std::string path;
  std::int64_t tokens = 2'000'000;    // synthetic, zipf: length of the stream
  std::int64_t vocabulary = 64;       // synthetic, zipf: symbols; tokens: size of the tokenizer; text: always 256
  std::int64_t language_seed = 0;     // synthetic, zipf: which language; teacher: which one
  double validation_fraction = 0.1;   // the last part of the stream
  std::optional<std::int64_t> seed;   // order of batches; default: the run's seed
  std::optional<std::int64_t> cycle;  // steps after which batches come again; none: never
  // teacher: default: the model's layers and the model's hidden; standard deviation of the noise in training targets
  std::optional<std::int64_t> teacher_layers, teacher_hidden;
  double teacher_noise = 0.005;

  std::int64_t batch_at(std::int64_t step) const { return cycle ? step % *cycle : step; }
};

// Scales of operands that can be asked for by hand: none, precision.fixed_scale, or the largest value over amax.
inline constexpr Spellings<ScaleKind, 3> kScalings{
    {{"none", ScaleKind::None}, {"fixed", ScaleKind::Fixed}, {"current", ScaleKind::Tensor}}};

struct PrecisionConfig {
  std::string recipe = "bf16";
  // By hand, over the recipe; empty keeps the recipe's choice.
  std::string x, w, dy, output;         // formats of the operands and of the product
  std::optional<Rounding> rounding;     // of x and w
  std::optional<Rounding> dy_rounding;  // of dy
  std::optional<Overflow> overflow;
  std::optional<ScaleKind> scaling;  // of kScalings
  double fixed_scale = 1.0;          // with ScaleKind::Fixed
  std::optional<bool> power_of_two;  // scales rounded down to a power of two
  std::int64_t random_bits = 32;     // stochastic rounding
  std::string attention, lm_head;    // format of all operands there, unscaled; "high": no rounding; "recipe"
  std::string accumulator;           // how every matmul sums (accumulator.h); empty: fp32
  Carrier carrier = Carrier::Auto;   // what multiplies grid values (carrier.h)
  std::string rules;                 // changes at sites, layers, passes, steps (precision_rules.h)
  std::optional<std::int64_t> seed;  // stochastic rounding; default: the run's seed
  // Between the matmuls (round_tensor.h): a format, or "high" for none; empty: as the comment says.
  std::string vector;                    // empty: the recipe's choice
  std::string residual, softmax, norm;   // empty: like vector
  std::string norm_weights, rope_table;  // empty: fp32
};

struct TrainConfig {
  std::int64_t steps = 400;
  std::int64_t batch = 16;
  std::int64_t eval_every = 50;  // validation loss; 0: only at the end
  std::int64_t eval_batches = 8;
  std::int64_t checkpoint_every = 200;         // 0: only at the end and when interrupted
  std::vector<std::int64_t> keep_checkpoints;  // steps, ascending
  double z_loss = 0;                           // coefficient of mean log^2 Z
};

struct MetricsConfig {
  std::map<std::string, std::int64_t> intervals = usual_intervals();  // by name (metric_intervals.h); 0: never
  std::vector<double> epsilons = {1e-3, 5e-4};
  std::string gradient_error_matrices = "*attn*";
  std::int64_t lbfgs_subspace = 0;  // dimension; 0: the whole space
};

// Nothing beside the "metrics" group.
inline MetricsConfig no_probes() {
  MetricsConfig config;
  for (auto& [name, every] : config.intervals) every = 0;
  return config;
}

// What the keys of storage and loss scaling say by default: as the recipe has it. resolve_config puts the recipe's own
// words there, so a resolved config never says it. A loss scaling of no kind stands for it.
inline const std::string kOfRecipe = "recipe";
inline OptimizerConfig optimizer_of_recipe() {
  OptimizerConfig config;
  config.state = {kOfRecipe, kOfRecipe, kOfRecipe, kOfRecipe, kOfRecipe, kOfRecipe, kOfRecipe};
  return config;
}

struct RunConfig {
  std::int64_t seed = 0;
  std::int64_t threads = 1;
  DeviceKind device = DeviceKind::Cpu;
  std::string note;  // for people
  ModelConfig model;
  InitConfig init;
  DataConfig data;
  PrecisionConfig precision;
  OptimizerConfig optimizer = optimizer_of_recipe();
  ScheduleConfig schedule;
  LossScaleConfig loss_scale{.kind = std::nullopt};
  TrainConfig train;
  DivergenceConfig divergence;
  MetricsConfig metrics;
};

// A key with a few words, each of which stands for a value: how the value is read and stored.
struct WordTarget {
  std::function<std::string()> word;              // of the value that is there now
  std::function<void(const std::string&)> store;  // what one of the field's choices stands for
};

// One key: where it is stored, what is allowed, and one sentence of help.
struct ConfigField {
  using Target =
      std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<double>*, std::vector<std::int64_t>*,
                   std::optional<std::int64_t>*, std::optional<bool>*, WordTarget>;
  std::string key;
  Target target;
  double minimum = 0;  // numbers (of a list: each element); inclusive
  double maximum = 0;
  std::vector<std::string> choices;  // of a text; none: any text
  std::string help;
  std::string separator{};  // text: not empty where an array of texts is one text with this between them
  // Its default as TOML, where a config that has it does not write the key: for keys that came later, so that the ids of
  // runs without them stay what they were. "": always written.
  std::string unwritten{};
};
std::vector<ConfigField> config_fields(RunConfig& config);
// Whether its values are texts, words among them.
bool is_text(const ConfigField& field);
// Whether its value is a list of numbers.
bool is_list(const ConfigField& field);

// The field's value as TOML; "" for an optional that is not set.
std::string value_text(const ConfigField& field);

// Where each key was set.
using SettingPlaces = std::map<std::string, ConfigError::Where>;
// Stores the settings in order, each checked alone (unknown key, type, range). resolve_config
// (train/run/resolve_config.h) makes a whole config of them.
SettingPlaces apply_settings(const std::vector<Setting>& settings, const std::vector<ConfigField>& fields);
// Checks one setting in the same way, and gives it as a config stores it: words in lower case, 1e3 for a whole number
// as 1000.
Setting checked_setting(const Setting& setting);

// The resolved config as TOML, in the order of the declaration; resolve_config reads it back to the same. Without the
// keys that are not written at their default (ConfigField::unwritten).
std::string to_toml(const RunConfig& config);
std::string to_toml(const std::vector<ConfigField>& fields);  // of the config that they are of
// The same as settings, every key among them.
std::vector<Setting> every_setting(const RunConfig& config);
// First 10 hex digits of sha256 of to_toml: names the run's directory.
std::string run_id(const RunConfig& config);

// Every key as users read it. The default is TOML; "" where it follows from other keys.
struct ConfigKey {
  std::string name, default_value, allowed, help;
};
std::vector<ConfigKey> config_keys();
std::string config_reference();  // docs/CONFIG.md

}  // namespace precipice
