// SPDX-License-Identifier: Apache-2.0
// What a recipe keeps between steps and how it scales the loss: the same bits as the keys by hand over the same
// matmuls. The keys are those of the published systems: apex frontend.py and scaler.py, MS-AMP's table of optimization
// levels, arXiv 2010.06192, 2409.12517 and 2412.19437.
#include <ATen/Parallel.h>

#include <cmath>
#include <cstring>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/reference_rounding.h"
#include "tests/support/tiny_run.h"
#include "train/data/open_tokens.h"
#include "train/recipes/recipes.h"
#include "train/run/resolve_config.h"
#include "train/run/trainer.h"

using namespace precipice;
using Catch::Contains;
using test::tiny_config;

namespace {

using Keys = std::vector<std::string>;

struct Composition {
  std::string recipe;
  Keys by_hand;  // every key of storage and loss scaling that is not its fp32 default, and other matmuls' recipe
};

Keys fp32_storage() {
  return {"optimizer.weights=fp32",          "optimizer.weight_scaling=none", "optimizer.moment1=fp32",
          "optimizer.moment2=fp32",          "optimizer.state_scaling=none",  "optimizer.gradients=fp32",
          "optimizer.gradient_scaling=none", "loss_scale.kind=none"};
}

const std::vector<Composition>& compositions() {
  const Keys ms_amp = {"optimizer.weights=fp16", "optimizer.weight_scaling=ms-amp", "optimizer.gradients=e4m3",
                       "optimizer.gradient_scaling=ms-amp", "precision.recipe=ms-amp-o1"};
  const Keys fp8_moments = {"optimizer.moment1=e4m3", "optimizer.moment2=fp16", "optimizer.state_scaling=ms-amp"};
  const Keys bf16 = {"precision.recipe=bf16",  "precision.vector=bf16",  "precision.norm_weights=bf16",
                     "optimizer.moment1=bf16", "optimizer.moment2=bf16", "optimizer.gradients=bf16"};
  const Keys dynamic = {"loss_scale.kind=dynamic", "loss_scale.initial=65536", "loss_scale.factor=2",
                        "loss_scale.window=2000", "loss_scale.maximum=16777216"};
  const Keys fp16_model = {"precision.recipe=fp16", "precision.vector=fp16", "optimizer.gradients=fp16"};
  const auto with = [](Keys all, const Keys& more) {
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  static const std::vector<Composition> table = {
      {"fp16-o1", with(dynamic, {"precision.recipe=fp16"})},
      {"fp16-o2", with(dynamic, fp16_model)},
      {"fp16-o2:norms=fp16", with(with(dynamic, fp16_model), {"precision.norm_weights=fp16"})},
      {"fp16-o3", with(fp16_model, {"precision.norm_weights=fp16", "optimizer.weights=fp16", "optimizer.moment1=fp16",
                                    "optimizer.moment2=fp16", "loss_scale.kind=static", "loss_scale.initial=1"})},
      {"bf16-pure", with(bf16, {"optimizer.weights=bf16"})},
      {"bf16-pure:weights=bf16-sr", with(bf16, {"optimizer.weights=bf16-sr"})},
      {"bf16-pure:weights=bf16-kahan", with(bf16, {"optimizer.weights=bf16-kahan"})},
      {"ms-amp-o1", ms_amp},
      {"ms-amp-o2", with(ms_amp, fp8_moments)},
      {"ms-amp-o3", with(ms_amp, fp8_moments)},
      {"intel-fp8",
       {"precision.recipe=intel-fp8", "optimizer.moment1=e4m3", "optimizer.moment2=e5m2",
        "optimizer.state_scaling=current"}},
      {"deepseek-v3", {"precision.recipe=deepseek-v3", "optimizer.moment1=bf16", "optimizer.moment2=bf16"}},
      {"te-current", {"precision.recipe=te-current"}},
  };
  return table;
}

RunConfig by_recipe(const std::string& recipe, Keys more = {}) {
  more.insert(more.begin(), "precision.recipe=" + recipe);
  return tiny_config(more);
}

RunConfig by_hand(const Composition& composition) {
  Keys keys = fp32_storage();
  keys.insert(keys.end(), composition.by_hand.begin(), composition.by_hand.end());
  return tiny_config(keys);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool same_state(const Checkpoint& a, const Checkpoint& b) {
  for (std::size_t i = 0; i < std::min(a.arrays.size(), b.arrays.size()); ++i)
    if (a.arrays[i].name != b.arrays[i].name || !same_bits(a.arrays[i].values, b.arrays[i].values)) return false;
  return a.arrays.size() == b.arrays.size() && a.numbers == b.numbers;
}

const NamedArray* array_of(const Checkpoint& checkpoint, const std::string& name) {
  for (const NamedArray& array : checkpoint.arrays)
    if (array.name == name) return &array;
  return nullptr;
}

// Every value of the arrays that begin with `prefix` is a number of the format over the array's scale.
std::size_t count_outside(const Checkpoint& checkpoint, const std::string& prefix, const std::string& format) {
  std::size_t outside = 0, seen = 0;
  for (const NamedArray& array : checkpoint.arrays) {
    if (!array.name.starts_with(prefix)) continue;
    const NamedArray* scale = array_of(checkpoint, "scale." + array.name);
    for (const float x : array.values) {
      const float q = x * (scale ? scale->values.at(0) : 1.0f);
      outside += reference::round(parse_float_format(format), Rounding::NearestEven, Overflow::Saturate, q) != q;
      ++seen;
    }
  }
  REQUIRE(seen > 0);
  return outside;
}

std::string refusal(const Keys& keys) {
  try {
    tiny_config(keys);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a recipe's weights, moments, scales and loss scale have at every step the bits of its keys by hand") {
  for (const Composition& composition : compositions()) {
    INFO(composition.recipe);
    const RunConfig one = by_recipe(composition.recipe), other = by_hand(composition);
    const auto tokens = open_tokens(one);
    Trainer a(one, *tokens), b(other, *tokens);
    CHECK(same_state(a.checkpoint("id"), b.checkpoint("id")));  // initial weights are rounded as they are kept
    for (int step = 0; step < 8; ++step) {
      a.step(), b.step();
      INFO("step " << step);
      CHECK(same_state(a.checkpoint("id"), b.checkpoint("id")));
    }
  }
}

TEST_CASE(
    "a recipe keeps nothing but numbers of its formats over its scales, and those are powers of two where MS-AMP's") {
  const auto after = [](const std::string& recipe) {
    const RunConfig config = by_recipe(recipe);
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens);
    for (int step = 0; step < 5; ++step) trainer.step();
    return trainer.checkpoint("id");
  };
  const Checkpoint o1 = after("ms-amp-o1"), o2 = after("ms-amp-o2");
  CHECK(count_outside(o1, "p.", "fp16") == 0);
  CHECK(count_outside(o1, "m.", "bf16") > 0);
  CHECK(count_outside(o2, "p.", "fp16") == 0);
  CHECK(count_outside(o2, "m.", "e4m3") == 0);
  CHECK(count_outside(o2, "v.", "fp16") == 0);
  for (const char* kind : {"scale.p.", "scale.m.", "scale.v.", "scale.g."}) {  // scale.0.x and so on are the matmuls'
    std::size_t scales = 0, others = 0;
    for (const NamedArray& array : o2.arrays) {
      if (!array.name.starts_with(kind)) continue;
      int exponent = 0;
      for (const float scale : array.values) others += std::frexp(scale, &exponent) != 0.5f;
      scales += array.values.size();
    }
    INFO(kind);
    CHECK(scales > 10);
    CHECK(others == 0);
  }
  const Checkpoint kahan = after("bf16-pure:weights=bf16-kahan"), fp16 = after("fp16-o3"), intel = after("intel-fp8");
  for (const char* prefix : {"p.", "k.", "m.", "v."}) CHECK(count_outside(kahan, prefix, "bf16") == 0);
  for (const char* prefix : {"p.", "m.", "v."}) CHECK(count_outside(fp16, prefix, "fp16") == 0);
  CHECK(count_outside(intel, "p.", "bf16") > 0);
  const Checkpoint masters = after("fp16-o2");
  CHECK(count_outside(masters, "p.", "fp16") > 0);
}

TEST_CASE("a key by hand wins over the recipe, and every other key stays the recipe's") {
  const StateConfig& state = by_recipe("ms-amp-o2", {"optimizer.moment1=bf16"}).optimizer.state;
  CHECK(state.moment1 == "bf16");
  CHECK((state.moment2 == "fp16" && state.weights == "fp16" && state.state_scaling == "ms-amp"));
  CHECK(by_recipe("ms-amp-o1", {"optimizer.weights=fp32"}).optimizer.state.weights == "fp32");
  CHECK(by_recipe("ms-amp-o1", {"optimizer.weights=recipe"}).optimizer.state.weights == "fp16");
  CHECK(by_recipe("bf16-pure:weights=bf16-sr", {"optimizer.weights=bf16"}).optimizer.state.weights == "bf16");
  CHECK(by_recipe("bf16").optimizer.state.weights == "fp32");
  // Rules change matmuls: what is kept belongs to the run's recipe.
  CHECK(by_recipe("bf16", {"precision.rules=mlp.* -> ms-amp-o1"}).optimizer.state.weights == "fp32");
  CHECK(by_recipe("ms-amp-o1", {"precision.rules=steps=:2 -> bf16"}).optimizer.state.weights == "fp16");
}

TEST_CASE("the numbers of loss scaling come with the recipe's kind, and a kind by hand has the keys' defaults") {
  CHECK(by_recipe("fp16-o1").loss_scale.kind == LossScaling::Dynamic);
  CHECK(by_recipe("fp16-o1", {"loss_scale.initial=8", "loss_scale.window=5"}).loss_scale.initial == 8);
  CHECK(by_recipe("fp16-o1", {"loss_scale.initial=8", "loss_scale.window=5"}).loss_scale.window == 5);
  CHECK(by_recipe("fp16-o1", {"loss_scale.kind=none"}).loss_scale.kind == LossScaling::None);
  CHECK(by_recipe("fp16-o3").loss_scale.initial == 1);
  CHECK(by_recipe("fp16-o3", {"loss_scale.initial=4"}).loss_scale.initial == 4);
  CHECK(by_recipe("fp16-o3", {"loss_scale.kind=dynamic"}).loss_scale.initial == 65536);
  CHECK(by_recipe("fp32").loss_scale.kind == LossScaling::None);
}

TEST_CASE("a resolved config says the recipe's choices in words, and goes on meaning them") {
  for (const Composition& composition : compositions()) {
    INFO(composition.recipe);
    const RunConfig config = by_recipe(composition.recipe);
    const std::string toml = to_toml(config);
    CHECK_THAT(toml, !Contains("'recipe'") && !Contains("\"recipe\""));
    CHECK(to_toml(resolve_config(parse_settings(toml, "config.toml"))) == toml);
  }
  // A run from before its recipe had storage: its file says fp32, and so it stays.
  std::vector<Setting> old = parse_settings(to_toml(by_hand({"", {"precision.recipe=ms-amp-o1"}})), "config.toml");
  CHECK(resolve_config(old).optimizer.state.weights == "fp32");
  // Words that come to the same name the same run.
  CHECK(run_id(by_recipe("deepseek-v3")) ==
        run_id(by_recipe("deepseek-v3", {"optimizer.moment1=bf16", "optimizer.moment2=bf16"})));
  CHECK(run_id(by_recipe("deepseek-v3")) != run_id(by_recipe("deepseek-v3", {"optimizer.moment1=fp32"})));
}

TEST_CASE("fp16-o1 and fp16-o2 skip a step that overflows, back off, and grow again") {
  for (const char* recipe : {"fp16-o1", "fp16-o2"}) {
    INFO(recipe);
    // A logit's gradient is up to 2^-6 of the scale (the mean of 64 tokens): it leaves fp16's range, 2^16, until about
    // 18 halvings have brought 1e12 below 2^22.
    const RunConfig config = by_recipe(
        recipe, {"loss_scale.initial=1e12", "loss_scale.maximum=1e12", "loss_scale.window=3", "train.steps=40"});
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens);
    double scale = 1e12;
    int good = 0, skipped = 0, grown = 0;
    for (int step = 0; step < 40; ++step) {
      const Checkpoint before = trainer.checkpoint("id");
      const std::vector<double> row = trainer.step().front().values;
      const Checkpoint after = trainer.checkpoint("id");
      const bool skip = row[7] == 1;
      CHECK(row[6] == scale);
      CHECK(same_bits(before.arrays[0].values, after.arrays[0].values) == skip);
      CHECK(after.numbers.at("optimizer.updates") - before.numbers.at("optimizer.updates") == (skip ? 0 : 1));
      good = skip ? 0 : good + 1;
      skipped += skip;
      if (skip) scale /= 2;
      if (good == 3) scale = std::min(2 * scale, 1e12), good = 0, ++grown;
    }
    CHECK(step_record_fields()[7].series.name == "skipped");
    CHECK(step_record_fields()[6].series.name == "loss_scale");
    CHECK(skipped >= 10);
    CHECK(grown > 0);
  }
}

TEST_CASE("ways of keeping weights that are options of a recipe resume with the bits of an uninterrupted run") {
  for (const char* recipe : {"bf16-pure:weights=bf16-sr", "bf16-pure:weights=bf16-kahan", "fp16-o2:norms=fp16"}) {
    const RunConfig config = by_recipe(recipe);
    const auto tokens = open_tokens(config);
    Trainer straight(config, *tokens), first(config, *tokens), second(config, *tokens);
    std::vector<SeriesRow> rows;
    for (int step = 0; step < 8; ++step) straight.step();
    for (int step = 0; step < 4; ++step)
      for (SeriesRow& row : first.step()) rows.push_back(std::move(row));
    second.restore(parse_checkpoint(encode_checkpoint(first.checkpoint("id")), "memory", "id"), rows);
    for (int step = 4; step < 8; ++step) second.step();
    INFO(recipe);
    CHECK(encode_checkpoint(second.checkpoint("id")) == encode_checkpoint(straight.checkpoint("id")));
  }
}

TEST_CASE("what does not fit a recipe's storage is refused in one line that names the key") {
  CHECK_THAT(refusal({"precision.recipe=bf16-pure:weights=bf61-sr"}),
             Contains("precision.recipe = bf16-pure:weights=bf61-sr") && Contains("did you mean bf16-sr?"));
  CHECK_THAT(refusal({"precision.recipe=bf16-pure:moments=bf16"}), Contains("has no option") && Contains("weights"));
  CHECK_THAT(refusal({"precision.recipe=fp16-o2:norms=bf16"}), Contains("norms must be one of fp32, fp16"));
  CHECK_THAT(refusal({"precision.recipe=fp16-o4"}), Contains("did you mean fp16-o"));
  CHECK_THAT(refusal({"optimizer.weights=recipes"}), Contains("optimizer.weights = recipes"));
  CHECK_THAT(refusal({"loss_scale.kind=recpe"}), Contains("loss_scale.kind") && Contains("did you mean recipe?"));
  // The recipe's scale and the key's compensation cannot both be.
  const std::string both = refusal({"precision.recipe=ms-amp-o1", "optimizer.weights=fp16-kahan"});
  CHECK_THAT(both, Contains("optimizer.weights = fp16-kahan") && Contains("optimizer.weight_scaling"));
  CHECK(refusal({"precision.recipe=ms-amp-o1", "optimizer.weights=fp16-kahan", "optimizer.weight_scaling=none"}) ==
        "accepted");
  CHECK_THAT(refusal({"precision.recipe=fp16-o3", "loss_scale.minimum=2"}), Contains("loss_scale.initial"));
  for (const std::string& line : {both, refusal({"precision.recipe=fp16-o4"})}) CHECK(!contains(line, "\n"));
}

TEST_CASE("every recipe trains 200 steps of the default model and resumes with the same bits from the middle",
          "[.slow]") {
  const auto step_bits = [](Trainer& trainer, std::vector<SeriesRow>& rows) {
    for (SeriesRow& row : trainer.step()) rows.push_back(std::move(row));
  };
  at::set_num_threads(1);  // threads = 1 is the default of a run as well
  for (const std::string& recipe : recipe_names()) {
    const RunConfig config =
        resolve_config({parse_assignment("precision.recipe=" + recipe), parse_assignment("train.steps=200")});
    const auto tokens = open_tokens(config);
    auto straight = std::make_unique<Trainer>(config, *tokens);
    auto resumed = std::make_unique<Trainer>(config, *tokens);
    std::vector<SeriesRow> rows, resumed_rows;
    for (int step = 0; step < 100; ++step) step_bits(*straight, rows);
    resumed_rows = rows;
    resumed->restore(parse_checkpoint(encode_checkpoint(straight->checkpoint("id")), "memory", "id"), rows);
    for (int step = 100; step < 200; ++step) step_bits(*straight, rows), step_bits(*resumed, resumed_rows);
    INFO(recipe);
    CHECK(encode_checkpoint(straight->checkpoint("id")) == encode_checkpoint(resumed->checkpoint("id")));
    REQUIRE(rows.size() == resumed_rows.size());
    std::size_t different = 0;  // NaN equals NaN: what is compared is the log's bytes
    for (std::size_t i = 0; i < rows.size(); ++i)
      different += std::memcmp(rows[i].values.data(), resumed_rows[i].values.data(), rows[i].values.size() * 8) != 0;
    CHECK(different == 0);
  }
}
