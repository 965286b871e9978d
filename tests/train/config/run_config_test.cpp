// SPDX-License-Identifier: Apache-2.0
#include "train/config/run_config.h"
#include "train/run/resolve_config.h"

#include <fstream>
#include <set>
#include <sstream>

#include "precision/scaling/quantizer_settings.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "train/recipes/recipes.h"

using namespace precipice;
using Catch::Contains;

namespace {
RunConfig resolve(const std::string& toml) {
  return resolve_config(parse_settings(toml, "c.toml"));
}
}  // namespace

TEST_CASE("a resolved config prints to TOML that resolves to itself") {
  for (const char* toml : {"", "seed = 9\n[data]\nseed = 4\n[metrics]\nepsilons = [0.5]\n",
                           "[precision]\nrecipe = \"e8m3\"\nx = \"e5m3:bias=9\"\n",
                           "[data]\nsource = \"text\"\npath = \"a \\\"b\\\".txt\"\n"}) {
    const std::string first = to_toml(resolve(toml));
    CHECK(to_toml(resolve(first)) == first);
  }
}

TEST_CASE("every key is declared once, has help, and its default is allowed") {
  RunConfig config = resolve("");
  std::set<std::string> keys;
  for (const auto& field : config_fields(config)) {
    CHECK(keys.insert(field.key).second);
    CHECK(field.help.ends_with('.'));
  }
  CHECK_NOTHROW(resolve(to_toml(config)));
}

TEST_CASE("a key that is not written at its default is one whose default it is, and is written otherwise") {
  RunConfig config = resolve("");
  std::size_t unwritten = 0;
  for (const auto& field : config_fields(config)) {
    if (field.unwritten.empty()) continue;
    INFO(field.key);
    ++unwritten;
    CHECK(value_text(field) == field.unwritten);
    CHECK(to_toml(config).find('\n' + field.key.substr(field.key.find('.') + 1) + " = ") == std::string::npos);
  }
  CHECK(unwritten > 5);
  CHECK(every_setting(config).size() > parse_settings(to_toml(config), "").size());
  CHECK_THAT(to_toml(resolve("[train]\nkeep_checkpoints = [30, 10]")), Contains("keep_checkpoints = [10, 30]"));
  CHECK_THAT(to_toml(resolve("[metrics]\nhessian_every = 7")), Contains("hessian_every = 7"));
}

TEST_CASE("seeds follow the run's seed unless they are set") {
  const RunConfig config = resolve("seed = 5\n[data]\nseed = 8\n");
  CHECK(config.init.seed == 5);
  CHECK(config.data.seed == 8);
  CHECK(config.precision.seed == 5);
}

TEST_CASE("the run id is a function of the resolved config alone") {
  CHECK(run_id(resolve("seed = 1")) == run_id(resolve("\n# comment\nseed = 1\n[train]\nsteps = 400\n")));
  CHECK(run_id(resolve("seed = 1")) != run_id(resolve("seed = 2")));
  CHECK(run_id(resolve("")).size() == 10);
}

TEST_CASE("rules are an array or one text, print as one text, and name the run alike") {
  const RunConfig array = resolve("[precision]\nrules = [\"lm_head->high\", \"steps=:5  -> bf16\"]");
  CHECK(array.precision.rules == "lm_head -> high; steps=:5 -> bf16");
  CHECK(run_id(array) == run_id(resolve("[precision]\nrules = \"lm_head -> high ;steps=:5->bf16\"")));
  CHECK(run_id(array) ==
        run_id(resolve_config({parse_assignment("precision.rules=['lm_head -> high','steps=:5 -> bf16']")})));
  CHECK_THAT(to_toml(array), Contains("rules = 'lm_head -> high; steps=:5 -> bf16'"));
  CHECK(run_id(resolve("[precision]\nrules = []")) == run_id(resolve("")));
}

TEST_CASE("a rule that is refused is named with its place, its number and its text") {
  const auto rules = [](const char* array) { return resolve(std::string("[precision]\nrules = ") + array); };
  CHECK_THROWS_WITH(rules("['lm_head -> bf16', 'mlp.up -> foo']"),
                    Contains("c.toml:2: precision.rules = ") &&
                        Contains("rule 2 \"mlp.up -> foo\": recipe = foo: did you mean fp8? It must be"));
  CHECK_THROWS_WITH(rules("['lm_head -> bf16', 'mlp.up -> mxfp8:rule=flor']"),
                    Contains("rule 2 ") && Contains("did you mean floor?"));
  CHECK_THROWS_WITH(rules("['lm_head -> rounding=xx']"), Contains("rule 1 ") && Contains("rounding must be one of"));
  CHECK_THROWS_WITH(rules("['lm_head bf16']"), Contains("rule 1 \"lm_head bf16\": needs the form SELECTORS -> ACTION"));
  CHECK_THROWS_WITH(rules("['lm_head -> bf16', 'mlp.gate -> high']"),
                    Contains("rule 2 ") && Contains("matches no site"));
  CHECK_THROWS_WITH(rules("['lm_head -> bf16', 3]"), Contains("element 2 must be text"));
  CHECK_THROWS_WITH(rules("['lm_head -> bf16', ' ']"), Contains("element 2 is empty"));
  CHECK_THROWS_WITH(rules("['lm_head -> bf16; mlp.up -> high']"), Contains("element 1 holds a ';'"));
  CHECK_THROWS_WITH(resolve("[precision]\nrecipe = ['bf16']"), Contains("expected one value, not an array"));
}

TEST_CASE("operands that blocks or the Hadamard transform do not fit are refused before a run begins") {
  CHECK_THROWS_WITH(resolve("[model]\nwidth = 48\n[precision]\nrecipe = 'mxfp8:arithmetic=torchao'"),
                    Contains("c.toml:4: precision.recipe = ") && Contains("h.0.attn.qkv, fprop x: block = 1x32") &&
                        Contains("axis 1 of 1024x48"));
  CHECK_THROWS_WITH(resolve("[model]\ncontext = 24\n[train]\nbatch = 1\n[precision]\nrecipe = 'nvfp4'"),
                    Contains("h.0.attn.qkv, wgrad dy: rht = true") && Contains("divisible by 16"));
  // Only the layers and steps that a rule leaves to it are asked.
  CHECK_THROWS_WITH(resolve("[model]\nwidth = 48\n[precision]\nrules = ['layers=1 mlp.* -> mxfp8:arithmetic=torchao']"),
                    Contains("h.1.mlp.up, fprop x: block"));
  CHECK_NOTHROW(resolve("[model]\nwidth = 48\n[precision]\nrecipe = 'mxfp8'"));
  CHECK_NOTHROW(resolve("[model]\nwidth = 64\n[precision]\nrecipe = 'mxfp8:arithmetic=torchao'"));
}

TEST_CASE("an unknown key leads to the key that was meant, whatever other programs call it") {
  const auto problem = [](const std::string& assignment) {
    try {
      resolve_config({parse_assignment(assignment)});
    } catch (const ConfigError& error) {
      return error.problem();
    }
    return std::string("accepted");
  };
  for (const char* name : {"lr", "learning_rate", "train.lr", "optimizer.learning_rate"})
    CHECK(problem(std::string(name) + "=1") == "unknown key; did you mean optimizer.lr?");
  CHECK(problem("batch_size=8") == "unknown key; did you mean train.batch?");
  CHECK(problem("steps=8") == "unknown key; did you mean train.steps?");
  CHECK(problem("recipe=fp8") == "unknown key; did you mean precision.recipe?");
  CHECK(problem("kind=gpt") ==
        "unknown key; did you mean model.kind or optimizer.kind or schedule.kind or "
        "loss_scale.kind?");
  CHECK(problem("zzzzzzzz=1") == "unknown key; `precipice config` lists all keys");
}

TEST_CASE("two spellings of one value make one run") {
  const auto id = [](const std::string& assignment) { return run_id(resolve_config({parse_assignment(assignment)})); };
  CHECK(id("precision.recipe=E8M3") == id("precision.recipe=e8m3"));
  CHECK(id("precision.x=E4M3:Bias=8") == id("precision.x=e4m3:bias=8"));
  CHECK(id("train.steps=1e3") == id("train.steps=1000"));
  CHECK(id("seed=2.0") == id("seed=2"));
  CHECK(id("model.kind=Llama") == id("model.kind=llama"));
  CHECK(resolve("[data]\nsource = 'text'\npath = 'Corpus.TXT'").data.path == "Corpus.TXT");  // a name stays
  CHECK_THROWS_WITH(id("train.steps=1e-3"), Contains("whole number"));
  CHECK_THROWS_WITH(id("seed=1e300"), Contains("whole number"));
}

TEST_CASE("nothing after the sign means the default only where the default is nothing") {
  const auto config = [](const std::string& assignment) { return resolve_config({parse_assignment(assignment)}); };
  CHECK(to_toml(config("precision.lm_head=")) == to_toml(resolve("")));
  CHECK(to_toml(config("precision.rules=")) == to_toml(resolve("")));
  for (const char* key : {"precision.recipe", "seed", "optimizer.lr", "model.bias", "model.kind", "metrics.epsilons"})
    CHECK_THROWS_WITH(config(std::string(key) + "="), Contains(key) && Contains("a value is missing"));
}

TEST_CASE("wrong keys, types and values are refused with file, line, key, value and what is allowed") {
  CHECK_THROWS_WITH(resolve("[optimizer]\nlearning = 1"),
                    Contains("c.toml:2") && Contains("optimizer.learning") && Contains("unknown key"));
  CHECK_THROWS_WITH(resolve("[optimizer]\nlrr = 1"), Contains("did you mean optimizer.lr?"));
  CHECK_THROWS_WITH(resolve("[train]\nsteps = -5"), Contains("c.toml:2: train.steps = -5") && Contains("from 0 to"));
  CHECK_THROWS_WITH(resolve("[train]\nsteps = 1.5"), Contains("train.steps = 1.5") && Contains("whole number"));
  CHECK_THROWS_WITH(resolve("[train]\nsteps = \"many\""), Contains("train.steps") && Contains("whole number"));
  CHECK_THROWS_WITH(resolve("[optimizer]\nlr = \"abc\""), Contains("optimizer.lr") && Contains("number"));
  CHECK_THROWS_WITH(resolve("[optimizer]\nlr = nan"), Contains("NaN"));
  CHECK_THROWS_WITH(resolve("[optimizer]\nlr = inf"), Contains("optimizer.lr"));
  CHECK_THROWS_WITH(resolve("[optimizer]\nlr = [1, 2]"), Contains("array"));
  CHECK_THROWS_WITH(resolve("[optimizer]\nkind = \"adamv\""),
                    Contains("adamw, lion, sgd") && Contains("did you mean adamw?"));
  CHECK_THROWS_WITH(resolve("[optimizer]\nweights = \"bf61\""),
                    Contains("c.toml:2: optimizer.weights") && Contains("did you mean bf16?"));
  CHECK_THROWS_WITH(resolve("[optimizer]\nlr = 1\nstate_scaling = \"curent\""),
                    Contains("c.toml:3: optimizer.state_scaling") && Contains("did you mean current?"));
  CHECK_THROWS_WITH(resolve("seed = -1"), Contains("seed = -1"));
  CHECK_THROWS_WITH(resolve("[model]\nbias = 1"), Contains("true or false"));
  CHECK_THROWS_WITH(resolve("[model]\nwidth = 65\nheads = 2"), Contains("c.toml:2") && Contains("multiple"));
  CHECK_THROWS_WITH(resolve("[precision]\nrecipe = \"fp88\""), Contains("c.toml:2") && Contains("did you mean fp8?"));
  CHECK_THROWS_WITH(resolve("[precision]\nx = \"e9m3\""), Contains("c.toml:2: precision.x"));
  CHECK_THROWS_WITH(resolve("[precision]\ndy = \"e0m0\""), Contains("c.toml:2: precision.dy"));
  CHECK_THROWS_WITH(resolve("[precision]\nlm_head = \"e4m99\""), Contains("precision.lm_head"));
  CHECK_THROWS_WITH(resolve("[data]\nsource = \"text\""), Contains("data.path"));
  CHECK_THROWS_WITH(resolve("[data]\npath = \"x.txt\""), Contains("c.toml:2") && Contains("reads no file"));
  CHECK_THROWS_WITH(resolve("[metrics]\nepsilons = []"), Contains("c.toml:2: metrics.epsilons") && Contains("1 to 16"));
  CHECK_THROWS_WITH(resolve("[metrics]\nepsilons = [0.1, 0.2, 0.1]"), Contains("must differ"));
  // Random bits are keyed by a 32-bit step.
  CHECK_THROWS_WITH(resolve("[train]\nsteps = 4294967296"),
                    Contains("c.toml:2: train.steps") && Contains("4294967295"));
}

TEST_CASE("a model's defaults follow its kind and are spelled out in the resolved config") {
  const RunConfig gpt = resolve("[model]\nwidth = 48\nheads = 4"),
                  llama = resolve("[model]\nkind = \"llama\"\nwidth = 48\nheads = 4");
  CHECK(gpt.model.tied_head == true);
  CHECK(gpt.model.hidden == 192);
  CHECK(gpt.model.kv_heads == 4);
  CHECK(llama.model.tied_head == false);
  CHECK(llama.model.hidden == 128);
  CHECK(to_toml(llama).find("tied_head = false\n") != std::string::npos);
  CHECK(run_id(llama) == run_id(resolve(to_toml(llama))));
  CHECK(resolve("[model]\nkind = \"llama\"\ntied_head = true").model.tied_head == true);
}

TEST_CASE("models that cannot be are refused with the key to change") {
  CHECK_THROWS_WITH(resolve("[model]\nkind = \"lama\""), Contains("c.toml:2") && Contains("did you mean llama?"));
  CHECK_THROWS_WITH(resolve("[model]\nheads = 4\nkv_heads = 3"),
                    Contains("c.toml:3: model.kv_heads = 3") && Contains("must divide model.heads = 4"));
  CHECK_THROWS_WITH(resolve("[model]\nheads = 4\nkv_heads = 8"), Contains("must divide"));
  CHECK_THROWS_WITH(resolve("[model]\nkind = \"llama\"\nwidth = 20\nheads = 4"),
                    Contains("c.toml:3: model.width = 20") && Contains("even head size") && Contains("= 5"));
  CHECK_NOTHROW(resolve("[model]\nwidth = 20\nheads = 4"));
  CHECK_THROWS_WITH(resolve("[model]\nkind = \"llama\"\nbias = true"), Contains("c.toml:3: model.bias"));
  CHECK_THROWS_WITH(resolve("[model]\nrope_theta = 500"), Contains("c.toml:2: model.rope_theta"));
  CHECK_THROWS_WITH(resolve("[model]\nqk_norm = \"layer\""), Contains("none, layernorm, rmsnorm"));
  CHECK_THROWS_WITH(resolve("[model]\ntied_head = 1"), Contains("true or false"));
  CHECK_THROWS_WITH(resolve("[precision]\nrope_table = \"bf16\""), Contains("c.toml:2: precision.rope_table"));
  CHECK_THROWS_WITH(resolve("[init]\nscheme = \"tinyllama\"\nstd = 0.1"),
                    Contains("c.toml:3: init.std") && Contains("init.scale"));
  CHECK_THROWS_WITH(resolve("[train]\nz_loss = -1"), Contains("train.z_loss = -1"));
  for (const char* key : {"vector", "residual", "softmax", "norm", "norm_weights"})
    CHECK_THROWS_WITH(resolve(std::string("[precision]\n") + key + " = \"e9m3\""),
                      Contains(std::string("c.toml:2: precision.") + key));
}

TEST_CASE("a number on the command line is text where text is wanted") {
  const RunConfig config = resolve_config({parse_assignment("data.source=text"), parse_assignment("data.path=2024")});
  CHECK(config.data.path == "2024");
  CHECK_THROWS_WITH(resolve_config({parse_assignment("train.steps=abc", "command line")}),
                    Contains("command line: train.steps = abc"));
}

TEST_CASE("docs/CONFIG.md is what the declarations say") {
  std::ifstream file(source_directory() + "/docs/CONFIG.md");
  std::ostringstream text;
  text << file.rdbuf();
  CHECK(text.str() == config_reference());
}

TEST_CASE("every rounding mode and overflow policy that has a name is a setting") {
  const auto quantizer = [](const std::string& setting) {
    const PrecisionConfig config =
        resolve("[precision]\nrecipe = \"custom\"\nx = \"e4m3\"\n" + setting + "\n").precision;
    const PrecisionPolicy policy = make_policy(config, 1);
    return policy.at(policy.site_index(SiteKind::MlpUp, 0)).fprop.first;
  };
  for (int i = 0; i <= static_cast<int>(Rounding::StochasticC); ++i) {
    const auto rounding = static_cast<Rounding>(i);
    CHECK(quantizer("rounding = \"" + to_string(rounding) + "\"").element.rounding == rounding);
    CHECK_NOTHROW(quantizer("dy_rounding = \"" + to_string(rounding) + "\""));
  }
  for (const Overflow overflow : {Overflow::Saturate, Overflow::Native, Overflow::Propagate})
    CHECK(quantizer("overflow = \"" + to_string(overflow) + "\"").element.overflow == overflow);
}

TEST_CASE("every word of a key with few words is stored as what it stands for, and read back as that word") {
  RunConfig config;
  std::size_t words = 0;
  for (const ConfigField& field : config_fields(config))
    for (const std::string& word : field.choices) {
      INFO(field.key << " = " << word);
      apply_settings({{field.key, {word}, false, {}}}, config_fields(config));
      CHECK(value_text(field) == to_toml(Scalar(word)));
      ++words;
    }
  CHECK(words > 50);
  config = resolve(
      "[model]\nqk_norm = 'rmsnorm'\n[init]\nscheme = 'tinyllama'\n[precision]\nscaling = 'current'\n"
      "power_of_two = 'false'\ncarrier = 'fp32'\n");
  CHECK(config.model.kind->name == "gpt");
  CHECK(config.model.qk_norm == NormKind::Rms);
  CHECK(config.init.scheme == InitScheme::TinyLlama);
  CHECK(config.data.source == DataSource::Synthetic);
  CHECK(config.precision.scaling == ScaleKind::Tensor);
  CHECK(config.precision.power_of_two == false);
  CHECK(config.precision.carrier == Carrier::Fp32);
  CHECK_FALSE(config.precision.rounding);
  CHECK_FALSE(resolve("").model.qk_norm);
}

TEST_CASE("recipes put the formats where their tables say") {
  const auto site = [](const PrecisionPolicy& policy, SiteKind kind) { return policy.at(policy.site_index(kind, 0)); };
  PrecisionConfig config;
  config.recipe = "fp8";
  const PrecisionPolicy fp8 = make_policy(config, 2);
  CHECK(to_string(site(fp8, SiteKind::MlpUp).fprop.first.element.format) == "e4m3");
  CHECK(to_string(site(fp8, SiteKind::MlpUp).dgrad.first.element.format) == "e5m2");
  CHECK(to_string(site(fp8, SiteKind::MlpUp).wgrad.second.element.format) == "e4m3");
  CHECK((site(fp8, SiteKind::MlpUp).wgrad.first.scaling == Scaling(AmaxScaling{})));
  CHECK(to_string(site(fp8, SiteKind::AttnQk).fprop.first.element.format) == "bf16");
  CHECK_FALSE(site(fp8, SiteKind::LmHead).dgrad.first.is_scaled());
  config.recipe = "fp8-all";
  CHECK(site(make_policy(config, 2), SiteKind::LmHead) == site(fp8, SiteKind::MlpUp));
  config.recipe = "e8m3";
  const SitePrecision masked = site(make_policy(config, 2), SiteKind::LmHead);
  for (const GemmPrecision& gemm : {masked.fprop, masked.dgrad, masked.wgrad})
    for (const Quantizer& operand : {gemm.first, gemm.second}) {
      CHECK(operand.element.format.mantissa_bits == 3);
      CHECK(operand.element.format.exponent_bits == 8);
      CHECK(operand.element.rounding == Rounding::TowardZero);
      CHECK(operand.element.through_bf16);
      CHECK_FALSE(operand.is_scaled());
    }
  config.recipe = "fp32";
  CHECK(site(make_policy(config, 2), SiteKind::AttnPv) == SitePrecision{});
}

TEST_CASE("formats by hand go over the recipe") {
  PrecisionConfig config;
  config.recipe = "fp8";
  config.dy = "e4m3";
  config.dy_rounding = Rounding::Stochastic;
  config.random_bits = 8;
  config.power_of_two = true;
  config.lm_head = "high";
  config.attention = "recipe";
  const PrecisionPolicy policy = make_policy(config, 1);
  const SitePrecision linear = policy.at(policy.site_index(SiteKind::MlpUp, 0));
  CHECK(to_string(linear.dgrad.first.element.format) == "e4m3");
  CHECK(linear.dgrad.first.element.rounding == Rounding::Stochastic);
  CHECK(linear.dgrad.first.element.random_bits == 8);
  CHECK(linear.fprop.first.element.rounding == Rounding::NearestEven);
  CHECK((linear.fprop.second.scaling == Scaling(AmaxScaling{Granularity::Tensor, {true, {}}})));
  CHECK(policy.at(policy.site_index(SiteKind::AttnQk, 0)) == linear);
  CHECK(policy.at(policy.site_index(SiteKind::LmHead, 0)) == SitePrecision{});
}
