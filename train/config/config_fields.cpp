// SPDX-License-Identifier: Apache-2.0
// The one declaration of every config key: name, where it is stored, limits, help. Words of enumerations come from the
// enumerations' own spellings.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "optim/optimizer_kinds.h"
#include "precision/base/check.h"
#include "train/config/run_config.h"

namespace precipice {
namespace {

constexpr double kMaxCount = 1e12;
constexpr double kMaxSteps = 4294967295.0;  // random bits are keyed by a 32-bit step
constexpr double kMaxInteger = 9.2e18;
constexpr double kHuge = 1e30;

ConfigField number(std::string key, ConfigField::Target target, double minimum, double maximum, std::string help) {
  return {std::move(key), target, minimum, maximum, {}, std::move(help)};
}

ConfigField text(std::string key, std::string* target, std::vector<std::string> choices, std::string help) {
  return {std::move(key), target, 0, 0, std::move(choices), std::move(help)};
}

// Words and what they stand for.
template <class Value>
using Words = std::vector<std::pair<std::string, Value>>;

template <class Value, std::size_t N>
Words<Value> words_of(const Spellings<Value, N>& spellings) {
  return {spellings.begin(), spellings.end()};
}
// Of an enumeration that keeps its spellings to itself: of all its enumerators up to the last.
template <class Enum>
Words<Enum> words_to(Enum last) {
  Words<Enum> words;
  for (int i = 0; i <= static_cast<int>(last); ++i)
    words.emplace_back(to_string(static_cast<Enum>(i)), static_cast<Enum>(i));
  return words;
}
// With a word for no value before the others.
template <class Value>
Words<std::optional<Value>> or_nothing(const char* nothing, const Words<Value>& words) {
  Words<std::optional<Value>> all{{nothing, std::nullopt}};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

// `words` outlives all fields.
template <class Value>
ConfigField choice(std::string key, Value* target, const Words<Value>& words, std::string help) {
  std::vector<std::string> choices;
  for (const auto& [word, value] : words) choices.push_back(word);
  WordTarget stored;
  stored.word = [target, &words] {
    for (const auto& [word, value] : words)
      if (value == *target) return word;
    PRECIPICE_CHECK(false, "a value without a word");
  };
  stored.store = [target, &words](const std::string& text) {
    for (const auto& [word, value] : words)
      if (word == text) *target = value;
  };
  return {std::move(key), std::move(stored), 0, 0, std::move(choices), std::move(help)};
}

// Of the architectures that there are at this moment.
ConfigField choice_of_architecture(std::string key, const Architecture** target, std::string help) {
  WordTarget stored;
  stored.word = [target] { return (*target)->name; };
  stored.store = [target](const std::string& name) { *target = &find_architecture(name); };
  return {std::move(key), std::move(stored), 0, 0, names_of_architectures([](const Architecture&) { return true; }),
          std::move(help)};
}

ConfigField flag(std::string key, ConfigField::Target target, std::string help) {
  return {std::move(key), target, 0, 0, {}, std::move(help)};
}

using Fields = std::vector<ConfigField>;

void add_run(Fields& f, RunConfig& c) {
  static const auto kDeviceWords = words_of(kDevices);
  f.push_back(number("seed", &c.seed, 0, kMaxInteger,
                     "Seed of the run; init.seed, data.seed and precision.seed follow it unless set."));
  f.push_back(number(
      "threads", &c.threads, 1, 1024,
      "CPU threads of the run. They are part of its id, although in all runs tried no bit of a result depends on "
      "them. Small runs use a machine best side by side."));
  f.push_back(choice("device", &c.device, kDeviceWords,
                     "Where the run computes. For cuda `precipice devices` says what is there and what is missing."));
  f.push_back(text("note", &c.note, {},
                   "Words for people, such as the name of a sweep's arm that differs from others in several keys. They "
                   "change nothing but the run's id."));
  f.back().unwritten = to_toml(Scalar(std::string()));
}

// "gpt: LayerNorm, ...; llama: ..." with what `part` says of each architecture.
template <class Part>
std::string by_kind(const Part& part) {
  std::vector<std::string> parts;
  for (const Architecture& architecture : architectures())
    parts.push_back(fmt::format("{}: {}", architecture.name, part(architecture)));
  return fmt::format("{}", fmt::join(parts, "; "));
}
// What holds where a key is not set: that of the first architecture, then those that differ.
template <class Part>
std::string default_by_kind(const Part& part) {
  const std::string first = part(architectures().front());
  std::string text = first;
  for (const Architecture& architecture : architectures())
    if (part(architecture) != first) text += fmt::format(", {}: {}", architecture.name, part(architecture));
  return text;
}
std::string kinds_with_rotary_positions() {
  return fmt::format("{}", fmt::join(names_of_architectures(std::mem_fn(&Architecture::has_rotary_positions)), ", "));
}
std::string kinds_without_biases() {
  const auto names = names_of_architectures([](const Architecture& architecture) { return !architecture.has_biases; });
  return fmt::format("{} {} none", fmt::join(names, ", "), names.size() == 1 ? "has" : "have");
}

void add_model(Fields& f, ModelConfig& c) {
  static const auto kNorms = or_nothing("none", words_of(kNormKinds));
  static const auto kPlacements = words_of(kNormPlacements);
  f.push_back(
      choice_of_architecture("model.kind", &c.kind, by_kind([](const Architecture& a) { return a.summary; }) + "."));
  f.push_back(number("model.layers", &c.layers, 1, 512, "Transformer blocks."));
  f.push_back(number("model.width", &c.width, 1, 65536, "Width of the residual stream; a multiple of model.heads."));
  f.push_back(number("model.heads", &c.heads, 1, 1024, "Attention heads."));
  f.push_back(number("model.kv_heads", &c.kv_heads, 1, 1024,
                     "Key and value heads, shared by model.heads / kv_heads queries each; default: model.heads."));
  f.push_back(number("model.hidden", &c.hidden, 1, 1048576,
                     fmt::format("Width of the MLP; default: {}.",
                                 default_by_kind([](const Architecture& a) { return a.hidden_help; }))));
  f.push_back(number("model.context", &c.context, 1, 65536, "Tokens of a training sequence."));
  f.push_back(
      flag("model.bias", &c.bias, fmt::format("Biases in linears and LayerNorms; {}.", kinds_without_biases())));
  f.push_back(flag("model.tied_head", &c.tied_head,
                   fmt::format("The LM head shares the token embedding's weights; default: {}.",
                               default_by_kind([](const Architecture& a) { return fmt::format("{}", a.tied_head); }))));
  f.push_back(choice("model.qk_norm", &c.qk_norm, kNorms,
                     "Norm of every head's queries and keys, with gains, before rotary positions (arXiv 2309.14322)."));
  f.push_back(choice("model.norm_placement", &c.norm_placement, kPlacements,
                     "Norms of the blocks. pre: x + f(norm(x)); post: norm(x + f(x)), without a norm before the head "
                     "(arXiv 1706.03762); after: x + norm(f(x)) (OLMo 2, arXiv 2501.00656)."));
  f.back().unwritten = to_toml(Scalar(std::string("pre")));
  f.push_back(number("model.norm_eps", &c.norm_eps, 0, 1, "Added to the variance or mean square of every norm."));
  f.push_back(number("model.rope_theta", &c.rope_theta, 1, kHuge,
                     kinds_with_rotary_positions() + ": base of the rotary angles."));
  f.push_back(number("model.softcap", &c.softcap, 0, kHuge, "Logits become c tanh(logit / c); 0: they stay."));
}

void add_init(Fields& f, InitConfig& c) {
  static const auto kSchemes = words_of(kInitSchemes);
  f.push_back(text("init.from", &c.from, {},
                   "Weights file (`precipice export`) to start from, kept track of like data.path; empty: random."));
  f.push_back(choice("init.scheme", &c.scheme, kSchemes,
                     "gpt: N(0, std), residual projections std / sqrt(2 layers); tinyllama: N(0, sqrt(2 / (5 width))), "
                     "residual projections 1 / (sqrt(width) layers)."));
  f.push_back(number("init.std", &c.std, 0, 100, "Standard deviation of the initial weights in the scheme gpt."));
  f.push_back(number("init.scale", &c.scale, 0, 1e6, "Factor on all standard deviations of the scheme."));
  f.push_back(
      text("init.plant", &c.plant, {},
           "Mechanisms that large models grow, put into the initial weights: sink:token=32,score=8,value=2,layer=0 "
           "(a token on which maxima of attention repeat), aligned:channels=4,factor=8 (equal rows of gate and up), "
           "outliers:channels=2,factor=32 (of what linears read; the function stays), gains:low=0.95,high=0.999; "
           "several with ; between them."));
  f.back().unwritten = to_toml(Scalar(std::string()));
  f.back().separator = "; ";
  f.push_back(flag("init.copied_head", &c.copied_head,
                   "An untied LM head begins as a copy of the token embedding, as where a tied one was replaced."));
  f.back().unwritten = "false";
  f.push_back(number("init.seed", &c.seed, 0, kMaxInteger, "Seed of the initial weights; default: seed."));
}

void add_data(Fields& f, DataConfig& c) {
  static const auto kSources = words_of(kDataSources);
  f.push_back(choice("data.source", &c.source, kSources,
                     "synthetic: built-in language of known entropy rate; zipf: one of Zipf unigrams, most of whose "
                     "symbols are rare; text: bytes of any file; tokens: nanoGPT or llm.c .bin, or "
                     "integers of a NumPy .npy; batches: file of `precipice batches`; teacher: vectors and a random "
                     "network's answers, for model.kind = mlp."));
  f.push_back(text("data.path", &c.path, {},
                   "File of the sources text, tokens and batches, relative to the working directory. A run keeps its "
                   "SHA-256 and goes on with no other file."));
  f.push_back(number("data.tokens", &c.tokens, 2, 1e10, "Length of the stream of the built-in languages."));
  f.push_back(number("data.vocabulary", &c.vocabulary, 2, 1e6,
                     "Symbols of the built-in languages, or size of the tokenizer; text always has 256."));
  f.push_back(number("data.language_seed", &c.language_seed, 0, kMaxInteger,
                     "Which built-in language of its kind, or which teacher."));
  f.push_back(number("data.validation_fraction", &c.validation_fraction, 0.001, 0.9,
                     "Last part of the stream, kept for validation."));
  f.push_back(number("data.seed", &c.seed, 0, kMaxInteger, "Seed of the order of batches; default: seed."));
  f.push_back(
      number("data.cycle", &c.cycle, 1, kMaxSteps,
             "Steps after which the batches come again; 1: full-batch training, on the first batch alone; default: "
             "never."));
  f.push_back(number("data.teacher_layers", &c.teacher_layers, 1, 512,
                     "Blocks of the teacher, two linears and a GELU each; default: model.layers."));
  f.push_back(number("data.teacher_hidden", &c.teacher_hidden, 1, 1048576,
                     "Width of its hidden layers; default: model.hidden."));
  f.push_back(number("data.teacher_noise", &c.teacher_noise, 0, kHuge,
                     "Standard deviation of the normal noise that its answers get in training."));
  f.back().unwritten = to_toml(Scalar(0.005));
}

void add_precision(Fields& f, PrecisionConfig& c) {
  static const auto kRoundings = or_nothing("", words_of(precipice::kRoundings));
  static const auto kOverflows = or_nothing("", words_to(Overflow::Propagate));
  static const auto kOperandScalings = or_nothing("", words_of(kScalings));
  static const auto kFlags = or_nothing("", Words<bool>{{"true", true}, {"false", false}});
  static const auto kCarriers = words_to(Carrier::Bf16);
  f.push_back(text("precision.recipe", &c.recipe, {},
                   "A recipe with its options, mxfp8:rule=floor; `precipice recipes` and docs/RECIPES.md list them. "
                   "custom: fp32 with the "
                   "keys below."));
  f.push_back(text("precision.x", &c.x, {},
                   "Format of activations over the recipe's, e.g. e5m3 or e4m3:bias=8; high: no rounding."));
  f.push_back(text("precision.w", &c.w, {}, "Format of weights over the recipe's."));
  f.push_back(text("precision.dy", &c.dy, {}, "Format of output gradients over the recipe's."));
  f.push_back(text("precision.output", &c.output, {}, "Format of products over the recipe's."));
  f.push_back(choice("precision.rounding", &c.rounding, kRoundings, "Rounding of x and w over the recipe's."));
  f.push_back(choice("precision.dy_rounding", &c.dy_rounding, kRoundings, "Rounding of dy over the recipe's."));
  f.push_back(choice("precision.overflow", &c.overflow, kOverflows, "Overflow of the operands over the recipe's."));
  f.push_back(choice("precision.scaling", &c.scaling, kOperandScalings, "Scaling of the operands over the recipe's."));
  f.push_back(number("precision.fixed_scale", &c.fixed_scale, 1e-30, kHuge, "Factor of scaling = fixed."));
  f.push_back(
      choice("precision.power_of_two", &c.power_of_two, kFlags, "Round current scales down to a power of two."));
  f.push_back(number("precision.random_bits", &c.random_bits, 1, 32, "Random bits of stochastic rounding."));
  f.push_back(text(
      "precision.attention", &c.attention, {},
      "Format of the operands of both attention products, unscaled; high: no rounding; recipe: like the linears."));
  f.push_back(text("precision.lm_head", &c.lm_head, {}, "The same for the LM head."));
  f.push_back(
      text("precision.vector", &c.vector, {},
           "Format of what happens between matmuls: results and gradients of activation functions, norms, softmax, "
           "rotary positions and residual additions, e.g. bf16; high: no rounding."));
  f.push_back(text("precision.residual", &c.residual, {},
                   "Format of the residual stream; empty: like precision.vector; high: no rounding."));
  f.push_back(text("precision.softmax", &c.softmax, {}, "The same for the softmax's output and gradient."));
  f.push_back(text("precision.norm", &c.norm, {}, "The same for the norms' outputs and gradients."));
  f.push_back(text("precision.norm_weights", &c.norm_weights, {},
                   "Format to which gains and biases of norms are rounded before use; empty: no rounding."));
  f.push_back(
      text("precision.rope_table", &c.rope_table, {},
           kinds_with_rotary_positions() + ": format of the sines and cosines of the rotary positions; empty: fp32."));
  f.push_back(text(
      "precision.accumulator", &c.accumulator, {},
      "How every matmul sums: library, fp32, native (as the recipe's hardware), hopper-fp8:promote=128, "
      "blackwell-mxf8, tensor-core:bits=N, every:format=F, chunk:size=N,format=F, ...; docs/ACCUMULATORS.md. Empty: "
      "library, fp32 sums in the order of the machine's fastest product; fp32: in the order of k."));
  f.push_back(
      choice("precision.carrier", &c.carrier, kCarriers,
             "Instructions that multiply quantized operands; the same results up to the order of summation. auto: bf16 "
             "where every operand fits it exactly and the CPU has them, else fp32."));
  f.push_back(text("precision.rules", &c.rules, {},
                   "Changes to the recipe, later ones win, an array or one text with ';' between them: lm_head -> "
                   "bf16; steps=:500 -> bf16; layers=-15%: -> bf16; attn.* pass=dgrad -> high; operand=dy -> "
                   "rounding=sr random_bits=8."));
  f.back().separator = "; ";
  f.push_back(number("precision.seed", &c.seed, 0, kMaxInteger, "Seed of stochastic rounding; default: seed."));
}

void add_optimizer(Fields& f, OptimizerConfig& c) {
  static const auto kDecays = words_of(kDecayCouplings);
  f.push_back(text("optimizer.kind", &c.kind, optimizer_names(), "Update rule. " + optimizer_help() + "."));
  f.push_back(number("optimizer.lr", &c.lr, 0, kHuge, "Peak learning rate."));
  f.push_back(number("optimizer.beta1", &c.beta1, 0, 0.9999999,
                     "AdamW: decay of the first moment. Lion: weight of the momentum in the update's direction."));
  f.push_back(number("optimizer.beta2", &c.beta2, 0, 0.9999999,
                     "AdamW: decay of the second moment. Lion: decay of the momentum, 0.99 in its paper."));
  f.push_back(number("optimizer.eps", &c.eps, 0, 1, "AdamW: added to the root of the second moment."));
  f.push_back(number("optimizer.weight_decay", &c.weight_decay, 0, 100, "Weight decay of matrices and embeddings."));
  f.push_back(choice("optimizer.decay", &c.decay, kDecays,
                     "coupled: times the learning rate, as torch's AdamW; independent: times the schedule only."));
  f.push_back(number("optimizer.momentum", &c.momentum, 0, 0.9999999, "SGD momentum."));
  f.push_back(flag("optimizer.nesterov", &c.nesterov, "SGD: Nesterov momentum."));
  f.push_back(
      number("optimizer.clip_norm", &c.clip_norm, 0, kHuge, "Clip the global gradient norm to this; 0: no clipping."));
  f.push_back(
      text("optimizer.weights", &c.state.weights, {},
           "Format that weights are kept in: recipe (what the recipe says, else fp32; so in the six keys below); "
           "fp32 (master weights); any format, rounded to nearest after each "
           "update; with -sr stochastically (bf16-sr); with -kahan compensated (bf16-kahan); with -rtz, ..."));
  f.push_back(
      text("optimizer.weight_scaling", &c.state.weight_scaling, {},
           "Scale of kept weights: none | current (largest value / amax) | current-pow2 | ms-amp, per tensor or "
           "with :block=N; never used with 8 exponent bits."));
  f.push_back(
      text("optimizer.moment1", &c.state.moment1, {},
           "Format of the first moment (AdamW, Lion) or momentum (SGD) between updates, e.g. bf16, bf16-sr, e4m3."));
  f.push_back(text("optimizer.moment2", &c.state.moment2, {}, "Format of AdamW's second moment, e.g. fp16, e5m2."));
  f.push_back(text("optimizer.state_scaling", &c.state.state_scaling, {}, "Scale of both moments, likewise."));
  f.push_back(text("optimizer.gradients", &c.state.gradients, {},
                   "Format that weight gradients are rounded to once, as backward leaves them."));
  f.push_back(
      text("optimizer.gradient_scaling", &c.state.gradient_scaling, {}, "Scale of weight gradients, likewise."));
  f.push_back(text("optimizer.stored_parameters", &c.stored_parameters, {},
                   "Parameters whose weights, moments and gradients are kept in these formats; of all others they are "
                   "fp32. Patterns with *, separated by spaces: *attn* *mlp* are the linears of a GPT."));
  f.back().unwritten = to_toml(Scalar(std::string("*")));
  f.push_back(text("optimizer.frozen", &c.frozen, {},
                   "Parameters that no update changes, although their gradients count in the norm that clips: patterns "
                   "likewise, e.g. lm_head.weight."));
  f.back().unwritten = to_toml(Scalar(std::string()));
}

void add_schedule(Fields& f, ScheduleConfig& c) {
  static const auto kKinds = words_of(kScheduleKinds);
  f.push_back(choice("schedule.kind", &c.kind, kKinds, "Decay after warm-up."));
  f.push_back(number("schedule.warmup_steps", &c.warmup_steps, 0, kMaxCount, "Steps of linear warm-up."));
  f.push_back(number("schedule.final_fraction", &c.final_fraction, 0, 1,
                     "Learning rate at the end of the run, relative to the peak."));
}

void add_loss_scale(Fields& f, LossScaleConfig& c) {
  static const auto kKinds = or_nothing(kOfRecipe.c_str(), words_of(kLossScalings));
  f.push_back(choice("loss_scale.kind", &c.kind, kKinds,
                     "Loss scaling; dynamic skips steps with non-finite gradients; recipe: as the recipe has it, with "
                     "the recipe's numbers for the keys below."));
  f.push_back(number("loss_scale.initial", &c.initial, 1e-30, kHuge,
                     "Factor of static scaling, first factor of dynamic scaling."));
  f.push_back(number("loss_scale.factor", &c.factor, 1.0001, 1e6, "Growth and back-off."));
  f.push_back(number("loss_scale.window", &c.window, 1, kMaxCount, "Good steps in a row before growth."));
  f.push_back(number("loss_scale.minimum", &c.minimum, 1e-30, kHuge, "Smallest factor."));
  f.push_back(number("loss_scale.maximum", &c.maximum, 1e-30, kHuge, "Largest factor."));
}

void add_train(Fields& f, TrainConfig& c) {
  f.push_back(number("train.steps", &c.steps, 0, kMaxSteps, "Optimizer steps; 0 makes the run without training."));
  f.push_back(number("train.batch", &c.batch, 1, 1e6, "Sequences of a batch."));
  f.push_back(
      number("train.eval_every", &c.eval_every, 0, kMaxCount, "Steps between validation losses; 0: only at the end."));
  f.push_back(number("train.eval_batches", &c.eval_batches, 1, 1e6, "Batches of a validation loss."));
  f.push_back(number("train.checkpoint_every", &c.checkpoint_every, 0, kMaxCount,
                     "Steps between checkpoints; 0: only at the end and when interrupted."));
  f.push_back(
      number("train.keep_checkpoints", &c.keep_checkpoints, 1, kMaxSteps,
             "Steps done at which a checkpoint is written and kept, an array; of all others the last two stay."));
  f.back().unwritten = "[]";
  f.push_back(number("train.z_loss", &c.z_loss, 0, kHuge,
                     "Coefficient of mean log^2 Z added to what is differentiated (1e-4 in PaLM); losses are reported "
                     "without it."));
}

void add_divergence(Fields& f, DivergenceConfig& c) {
  f.push_back(
      number("divergence.margin", &c.margin, 0, kHuge, "Nats that the trailing mean loss may rise above its minimum."));
  f.push_back(number("divergence.relative_margin", &c.relative_margin, 0, kHuge,
                     "The same as a fraction of the minimum; the larger of both counts."));
  f.push_back(number("divergence.window", &c.window, 1, 1e6, "Steps of the trailing mean."));
  f.push_back(number("divergence.patience", &c.patience, 1, kMaxCount,
                     "Steps in a row above the margin before a run counts as diverged."));
  f.push_back(flag("divergence.stop", &c.stop, "End the run at divergence."));
  f.push_back(number("divergence.spike_window", &c.spike_window, 2, 1e6, "Values that a spike is compared with."));
  f.push_back(number("divergence.spike_sigma", &c.spike_sigma, 0, kHuge,
                     "Standard deviations above their mean that make a spike."));
}

// What a metric takes besides its interval, by the interval's name: these keys follow that of the interval.
std::map<std::string, Fields> beside_intervals(MetricsConfig& c) {
  return {
      {"sharpness",
       {number("metrics.epsilons", &c.epsilons, 0, 10,
               "Half-widths of the box of the logit sharpness, relative to |z| + 1.")}},
      {"gradient_error",
       {text("metrics.gradient_error_matrices", &c.gradient_error_matrices, {},
             "Parameters whose error's largest singular value is measured: patterns with *, separated by spaces.")}},
      {"lbfgs",
       {number("metrics.lbfgs_subspace", &c.lbfgs_subspace, 0, 1000,
               "Dimension of the random subspace in which L-BFGS looks (100 in arXiv 1609.04836); 0: all logits.")}}};
}

void add_metrics(Fields& f, MetricsConfig& c) {
  std::map<std::string, Fields> beside = beside_intervals(c);
  for (const MetricInterval& interval : metric_intervals()) {
    f.push_back(
        number("metrics." + interval.name + "_every", &c.intervals[interval.name], 0, kMaxCount, interval.help));
    if (interval.is_optional) f.back().unwritten = "0";
    for (ConfigField& field : beside[interval.name]) f.push_back(std::move(field));
  }
}

}  // namespace

std::vector<ConfigField> config_fields(RunConfig& config) {
  Fields fields;
  add_run(fields, config);
  add_model(fields, config.model);
  add_init(fields, config.init);
  add_data(fields, config.data);
  add_precision(fields, config.precision);
  add_optimizer(fields, config.optimizer);
  add_schedule(fields, config.schedule);
  add_loss_scale(fields, config.loss_scale);
  add_train(fields, config.train);
  add_divergence(fields, config.divergence);
  add_metrics(fields, config.metrics);
  return fields;
}

}  // namespace precipice
