// SPDX-License-Identifier: Apache-2.0
// The table of recipes: each trains and resumes with the same bits; options and rules do what they say and nothing
// else.
#include "train/recipes/recipes.h"

#include <algorithm>
#include "train/data/open_tokens.h"

#include "precision/accumulator/accumulator_presets.h"
#include "precision/base/check.h"
#include "precision/scaling/scale_rule_table.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_run.h"
#include "tests/train/data/data_support.h"
#include "train/run/resolve_config.h"
#include "train/run/trainer.h"

using namespace precipice;
using Catch::Contains;

namespace {

SitePrecision linear_of(const std::string& recipe) {
  return make_recipe(recipe).linear;
}

PrecisionSchedule schedule_of(const std::string& recipe, const std::string& rules, std::int64_t layers = 4,
                              std::int64_t steps = 100) {
  PrecisionConfig config;
  config.recipe = recipe;
  config.rules = rules;
  ModelConfig model;
  model.layers = layers;
  return make_schedule(config, model, steps);
}

const SitePrecision& site_at(const PrecisionSchedule& schedule, std::int64_t step, SiteKind kind,
                             std::int64_t layer = 0) {
  const PrecisionPolicy& policy = schedule.at_step(step);
  return policy.at(policy.site_index(kind, layer));
}

std::string problem_of(const std::string& recipe) {
  try {
    make_recipe(recipe);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

struct End {
  std::vector<std::vector<double>> losses;
  Checkpoint checkpoint;
};

// Six steps, or three, a checkpoint through its file's bytes, and three more.
End train(const std::string& recipe, bool resumed) {
  const RunConfig config = test::tiny_config({"precision.recipe=" + recipe, "train.steps=6", "train.eval_every=3"});
  const auto tokens = open_tokens(config);
  auto trainer = std::make_unique<Trainer>(config, *tokens);
  std::vector<SeriesRow> rows;
  for (int step = 0; step < 6; ++step) {
    if (resumed && step == 3) {
      const std::string bytes = encode_checkpoint(trainer->checkpoint("id"));
      trainer = std::make_unique<Trainer>(config, *tokens);
      trainer->restore(parse_checkpoint(bytes, "memory", "id"), rows);
    }
    for (SeriesRow& row : trainer->step()) rows.push_back(std::move(row));
  }
  End end{{}, trainer->checkpoint("id")};
  for (const SeriesRow& row : rows)
    if (row.group == kMetricsGroup) end.losses.push_back(row.values);
  return end;
}

}  // namespace

TEST_CASE("every recipe trains, and resumes with the bits of an uninterrupted run, its scales included") {
  for (const Recipe& recipe : recipes()) {
    if (recipe.name.starts_with("e8m") && recipe.name != "e8m3") continue;
    INFO(recipe.name);
    const End straight = train(recipe.name, false), resumed = train(recipe.name, true);
    CHECK(straight.losses.back()[0] < straight.losses.front()[0]);
    CHECK(straight.losses == resumed.losses);
    CHECK(encode_checkpoint(straight.checkpoint) == encode_checkpoint(resumed.checkpoint));
  }
}

TEST_CASE("recipes put formats, blocks and passes where their tables say") {
  const SitePrecision nvfp4 = linear_of("nvfp4");
  CHECK((nvfp4.fprop.second.scaling == Scaling(Nvfp4Scaling{.block = {16, 16}})));
  CHECK((nvfp4.fprop.first.scaling == Scaling(Nvfp4Scaling{.block = {1, 16}})));
  CHECK(nvfp4.dgrad.first.element.rounding == Rounding::Stochastic);
  CHECK((nvfp4.wgrad.first.hadamard && nvfp4.wgrad.second.hadamard && !nvfp4.fprop.first.hadamard &&
         !nvfp4.dgrad.first.hadamard));
  const SitePrecision rowwise = linear_of("torchao-rowwise-gw-hp");
  CHECK((rowwise.fprop.first.scaling == Scaling(AmaxScaling{Granularity::Row, {true, {}}})));
  CHECK((rowwise.dgrad.second.scaling == Scaling(AmaxScaling{Granularity::Tensor, {true, {}}})));
  CHECK(to_string(rowwise.wgrad.first.element.format) == "bf16");
  const SitePrecision deepseek = linear_of("deepseek-v3");
  CHECK((deepseek.dgrad.second.scaling == Scaling(BlockAmaxScaling{{128, 128}, {}})));
  CHECK((deepseek.wgrad.first.scaling == Scaling(BlockAmaxScaling{{1, 128}, {}})));
  const SitePrecision intel = linear_of("intel-fp8");
  CHECK(intel.fprop.second.element.format.max_finite() == 240.0f);
  CHECK(to_string(intel.dgrad.second.element.format) == "e5m2");
  CHECK(to_string(make_recipe("te-current").attention.fprop.first.element.format) == "bf16");
  CHECK(make_recipe("te-current").linear == make_recipe("fp8").linear);
}

TEST_CASE("options change what they name in every slot that has it") {
  const SitePrecision site =
      linear_of("mxfp8:rule=floor,element=e5m2:bias=14,subnormals=flush,arithmetic=microxcaling,block=16");
  for (const GemmPrecision* gemm : {&site.fprop, &site.dgrad, &site.wgrad})
    for (const Quantizer* q : {&gemm->first, &gemm->second}) {
      CHECK(to_string(q->element.format) == "e5m2:bias=14,subnormals=flush");
      CHECK((q->scaling == Scaling(MxScaling{.rule = ScaleRule::Floor, .block = {1, 16}})));
      CHECK(q->arithmetic == Arithmetic::Microxcaling);
    }
  CHECK((linear_of("te-delayed:history=16,margin=2,algo=most-recent").wgrad.first.scaling ==
         Scaling(DelayedScaling{{DelayedUpdate::Te, 16, AmaxAlgorithm::MostRecent, 2}})));
  CHECK((linear_of("te-delayed:arithmetic=te-unfused").fprop.first.scaling ==
         Scaling(DelayedScaling{{.update = DelayedUpdate::TeUnfused}})));
  CHECK((linear_of("te-block:pow2=false").fprop.first.scaling == Scaling(BlockAmaxScaling{{1, 128}, {}})));
  CHECK(linear_of("te-current:dy_rounding=sr,random_bits=8").dgrad.first.element.rounding == Rounding::Stochastic);
  CHECK(linear_of("te-current:dy_rounding=sr,random_bits=8").fprop.first.element.rounding == Rounding::NearestEven);
  CHECK(linear_of("nvfp4:rht=false").wgrad.first.hadamard == false);
  CHECK(linear_of("bfp:mantissa=4").fprop.first.element.format.mantissa_bits == 4);
  CHECK(linear_of("mxfp8:scales=operand").dgrad.arithmetic.scales == ScalesAct::Operands);
}

TEST_CASE("a rule after a recipe's name is its option, and an arithmetic brings a rule that it has") {
  CHECK(linear_of("mxfp8-floor") == linear_of("mxfp8:rule=floor"));
  CHECK(linear_of("mxfp4-rceil:block=16") == linear_of("mxfp4:rule=rceil,block=16"));
  CHECK((rule_of(linear_of("mxfp8:arithmetic=microxcaling").fprop.first.scaling) == ScaleRule::Floor));
  CHECK(linear_of("mxfp4:rule=even").fprop.first.arithmetic == Arithmetic::Te);
  CHECK(linear_of("mxfp4:rule=floor").fprop.first.arithmetic == Arithmetic::MicroxcalingCuda);
  CHECK_THAT(problem_of("mxfp8-flor"), Contains("did you mean mxfp8-floor?"));
  CHECK_THAT(problem_of("te-block-floor"), Contains("must be one of"));
  CHECK_THAT(problem_of("mxfp8-floor:rule=ceil"), Contains("twice"));
}

TEST_CASE("every rule of E8M0 scales is a value of the option rule, with its help, and a suffix of recipes") {
  const std::vector<RecipeOption>& options = find_recipe("mxfp8").options;
  const auto rule_option = std::find_if(options.begin(), options.end(), [](const auto& o) { return o.name == "rule"; });
  REQUIRE(rule_option != options.end());
  int count = 0;
  for (const ScaleRuleInfo& rule : scale_rules()) {
    INFO(rule.name);
    const std::string name = rule.name, words = name + " (" + rule.help + ")";
    CHECK((rule_option->help.find(words) != std::string::npos) == rule.is_e8m0);
    if (rule.is_e8m0) CHECK(canonical_recipe("mxfp8-" + name) == "mxfp8:rule=" + name);
    if (!rule.is_e8m0) CHECK_THAT(problem_of("mxfp8-" + name), Contains("must be one of"));
    if (rule.is_e8m0) CHECK((rule_of(linear_of("mxfp8-" + name).fprop.first.scaling) == rule.rule));
    count += rule.is_e8m0;
  }
  CHECK(count == 4);
}

TEST_CASE("recipes and formats are read in either case, as papers spell them") {
  CHECK(linear_of("E8M3") == linear_of("e8m3"));
  CHECK(linear_of("MXFP8:element=E5M2,rule=FLOOR") == linear_of("mxfp8:element=e5m2,rule=floor"));
}

TEST_CASE("every spelling of a recipe is one recipe, and makes one run") {
  CHECK(canonical_recipe("te-current") == "fp8");
  CHECK(canonical_recipe("TE-current:pow2=true") == "fp8:pow2=true");
  CHECK(canonical_recipe("bf16-autocast") == "bf16");
  CHECK(canonical_recipe("mxfp8-floor:block=16") == "mxfp8:rule=floor,block=16");
  for (const std::string& name : recipe_names()) CHECK(canonical_recipe(name) == name);
  const auto id_of = [](const std::string& recipe) {
    return run_id(resolve_config({parse_assignment("precision.recipe=" + recipe)}));
  };
  CHECK(id_of("te-current") == id_of("fp8"));
  CHECK(id_of("mxfp8-rceil") == id_of("mxfp8:rule=rceil"));
  CHECK(id_of("fp8") != id_of("fp8-all"));
}

TEST_CASE("everywhere puts a recipe's linears into attention products and LM head") {
  const RecipeChoice choice = make_recipe("te-current:everywhere=true");
  CHECK((choice.attention == choice.linear && choice.lm_head == choice.linear));
  CHECK(make_recipe("te-current:everywhere=false").lm_head == make_recipe("te-current").lm_head);
  CHECK_THAT(problem_of("mxfp8:everywhere=yes"), Contains("everywhere = yes: must be true or false"));
  CHECK_THAT(problem_of("e8m3:everywhere=true"), Contains("no option"));  // it is everywhere already
  const PrecisionSchedule s = schedule_of("bf16", "lm_head -> mxfp8:everywhere=true");
  CHECK(site_at(s, 0, SiteKind::LmHead) == linear_of("mxfp8"));
}

TEST_CASE("options of a recipe that is the same everywhere reach every matmul, and gains that it scales") {
  const RecipeChoice choice = make_recipe("mx-systems-scaling:element=e5m2,exponent_bump=true,block=16");
  for (const SitePrecision* site : {&choice.linear, &choice.attention, &choice.lm_head})
    CHECK((to_string(site->fprop.first.element.format) == "e5m2" &&
           site->dgrad.second.scaling_if<MxScaling>()->exponent_bump));
  CHECK(choice.elements.norm_weights == choice.linear.fprop.first);
  const RecipeChoice stochastic = make_recipe("mx-systems-scaling:arithmetic=te,rounding=sr");
  CHECK(stochastic.linear.fprop.first.element.rounding == Rounding::Stochastic);
  CHECK(stochastic.elements.norm_weights.element.rounding == Rounding::NearestAway);
}

TEST_CASE("e7m7 has both ends, or one of them") {
  const ElementQuantizer both = linear_of("e7m7").fprop.first.element,
                         inner = linear_of("e7m7:clamp=inner").fprop.first.element,
                         outer = linear_of("e7m7:clamp=outer,rounding=rne").dgrad.first.element;
  CHECK((to_string(both.format) == "e7m7" && !both.range));
  CHECK((to_string(inner.format) == "e7m7" && to_string(*inner.range) == "bf16"));
  CHECK((to_string(outer.format) == "bf16" && to_string(*outer.range) == "e7m7"));
  CHECK(outer.rounding == Rounding::NearestEven);
  CHECK(linear_of("e7m7:clamp=both") == linear_of("e7m7"));
  CHECK_THAT(problem_of("e7m7:clamp=middle"), Contains("clamp = middle: must be both, inner or outer"));
}

TEST_CASE("a mask is made of a format, a bias and the ends that hold") {
  CHECK(linear_of("mask") == linear_of("e7m7"));
  for (const char* clamp : {"inner", "outer", "both"})
    CHECK(linear_of(std::string("mask:format=e7m7,clamp=") + clamp) == linear_of(std::string("e7m7:clamp=") + clamp));
  const ElementQuantizer outer = linear_of("mask:format=e6m5,bias=66,clamp=outer,rounding=rne").wgrad.first.element;
  CHECK((to_string(outer.format) == "e8m5" && to_string(*outer.range) == "e6m5:bias=66"));
  CHECK((outer.rounding == Rounding::NearestEven && outer.through_bf16));
  const ElementQuantizer inner = linear_of("mask:format=e4m7:specials=ieee,clamp=inner").fprop.second.element;
  CHECK((to_string(inner.format) == "e4m7" && to_string(*inner.range) == "bf16"));
  const ElementQuantizer wrap = linear_of("mask:format=e7m3,clamp=wrap").fprop.first.element;
  CHECK((to_string(wrap.format) == "e8m3" && !wrap.range && wrap.kept_exponent_bits == 7));
  CHECK(linear_of("mask:format=e7m3,bias=127,clamp=wrap") == linear_of("mask:format=e7m3,clamp=wrap"));
  CHECK(make_recipe("mask:clamp=wrap").lm_head == linear_of("mask:clamp=wrap"));
  CHECK_THAT(problem_of("mask:clamp=middle"), Contains("clamp = middle: must be both, inner, outer or wrap"));
  CHECK_THAT(problem_of("mask:format=e7m7,bias=126,clamp=wrap"), Contains("bias = 126: must be bf16's, 127"));
  CHECK_THAT(problem_of("mask:format=e5m10"), Contains("format = e5m10: must be eXmY with"));
  CHECK_THAT(problem_of("mask:format=e8m0"), Contains("format = e8m0: must be eXmY with"));
}

TEST_CASE("Smooth-SwiGLU stands at mlp.down of a Llama, by rule too, and is refused elsewhere") {
  const auto site = [](const std::string& recipe, const std::string& rules, const char* kind, SiteKind at) {
    PrecisionConfig config;
    config.recipe = recipe;
    config.rules = rules;
    ModelConfig model;
    model.kind = &find_architecture(kind);
    return site_at(make_schedule(config, model, 100), 50, at).smooth_swiglu;
  };
  CHECK(site("intel-fp8", "", "llama", SiteKind::MlpDown) == SmoothSwiglu::Channel);
  CHECK(site("intel-fp8", "", "llama", SiteKind::MlpUp) == SmoothSwiglu::Off);
  CHECK(site("intel-fp8", "", "gpt", SiteKind::MlpDown) == SmoothSwiglu::Off);
  CHECK(site("intel-fp8:smooth_swiglu=token", "", "llama", SiteKind::MlpDown) == SmoothSwiglu::Token);
  CHECK(site("intel-fp8:smooth_swiglu=false", "", "llama", SiteKind::MlpDown) == SmoothSwiglu::Off);
  CHECK(site("intel-fp8", "steps=10: -> bf16", "llama", SiteKind::MlpDown) == SmoothSwiglu::Off);
  CHECK(site("bf16", "mlp.* -> intel-fp8", "llama", SiteKind::MlpDown) == SmoothSwiglu::Channel);
  CHECK_THROWS_WITH(site("intel-fp8:smooth_swiglu=true", "", "gpt", SiteKind::MlpDown),
                    Contains("precision.recipe") && Contains("smooth_swiglu = true") && Contains("llama"));
  CHECK_THROWS_WITH(site("bf16", "mlp.* -> intel-fp8:smooth_swiglu=token", "gpt", SiteKind::MlpDown),
                    Contains("rule 1 ") && Contains("smooth_swiglu = token"));
}

TEST_CASE("flash attention stands at attn.pv by rule, in its layers and steps, until a recipe takes the place") {
  const auto flash = [](const PrecisionSchedule& s, std::int64_t step, SiteKind kind = SiteKind::AttnPv,
                        std::int64_t layer = 0) { return site_at(s, step, kind, layer).flash; };
  const PrecisionSchedule s = schedule_of("bf16",
                                          "attn.* layers=0 -> flash=true flash_sums=bf16 flash_delta=weights "
                                          "flash_beta=2 flash_block=64; steps=50: -> bf16");
  const FlashAttention on = flash(s, 0);
  CHECK((on.is_on && on.block == 64 && on.beta == 2 && on.delta == FlashDelta::Weights));
  CHECK(to_string(on.sums.format) == "bf16");
  CHECK(flash(s, 0, SiteKind::AttnQk) == FlashAttention{});
  CHECK(flash(s, 0, SiteKind::AttnPv, 1) == FlashAttention{});
  CHECK(flash(s, 50) == FlashAttention{});
  CHECK(describe(on) ==
        "flash attention: keys in blocks of 64, sums in bf16, delta = rowsum(P * dP), repeated maxima "
        "moved by beta 2");
  CHECK_THROWS_WITH(schedule_of("bf16", "mlp.* -> flash=true"),
                    Contains("flash = true: nothing that the rule selects"));
  CHECK_THROWS_WITH(schedule_of("bf16", "attn.pv pass=fprop -> flash=true"), Contains("flash = true: nothing"));
  CHECK_THROWS_WITH(schedule_of("bf16", "attn.pv -> flash=on"), Contains("flash must be one of true, false"));
  CHECK_THROWS_WITH(schedule_of("bf16", "attn.pv -> flash_delta=weights"), Contains("need flash=true"));
  CHECK_THROWS_WITH(schedule_of("fp8-all", "attn.pv -> flash=true"),
                    Contains("flash attention takes operands without scales"));
  CHECK_THROWS_WITH(schedule_of("mx-systems-scaling", "attn.* -> bf16; attn.pv -> flash=true"),
                    Contains("precision.softmax") && Contains("set that to high"));
}

TEST_CASE("a recipe or option that is not there is refused with those that are") {
  CHECK_THAT(problem_of("mxfp9"),
             Contains("recipe = mxfp9: did you mean mxfp8? It must be one of fp32, ") && Contains("te-delayed"));
  // `scales` is near, but has no such value.
  CHECK_THAT(problem_of("nvfp4:scale=e5m3"),
             Contains("no option \"scale\"; it has rht, arithmetic") && !Contains("did you"));
  CHECK_THAT(problem_of("nvfp4:scale=operand"), Contains("did you mean scales?"));
  CHECK_THAT(problem_of("mxfp8:rul=floor"), Contains("did you mean rule?") && Contains("element"));
  CHECK_THAT(problem_of("fp32:rule=floor"), Contains("it has none"));
  CHECK_THAT(problem_of("mxfp8:rule"), Contains("needs a value"));
  CHECK_THAT(problem_of("mxfp8:rule=flor"), Contains("floor"));
  CHECK_THAT(problem_of("mxfp8:rule=floor,rule=ceil"), Contains("twice"));
  CHECK_THAT(problem_of("mxfp8:block=0"), Contains("from 1"));
  CHECK_THAT(problem_of("mxfp8:rule=floor,arithmetic=deepgemm"), Contains("deepgemm"));
  CHECK_THAT(problem_of("te-current:pow2=maybe"), Contains("pow2 = maybe: must be true or false"));
  for (const auto& [options, max] :
       {std::pair("four_over_six=mae", 448), std::pair("four_over_six=mae,four_over_six_max=256", 256)})
    CHECK((linear_of(std::string("nvfp4:") + options).fprop.first.scaling ==
           Scaling(Nvfp4Scaling{.block = {1, 16}, .four_over_six = FourOverSix::Mae, .four_over_six_max = max})));
  CHECK_THAT(problem_of("nvfp4:four_over_six=mae,four_over_six_max=300"), Contains("must be 448 or 256"));
  CHECK_THAT(problem_of("nvfp4:four_over_six_max=256"), Contains("needs four_over_six=mae or mse"));
  CHECK_THAT(problem_of("nvfp4:rht=2"), Contains("recipe = nvfp4:rht=2: rht = 2: must be true or false"));
  CHECK_THAT(problem_of("mxfp8:rule=rceil,arithmetic=microxcaling"),
             Contains("rule = rceil: is not a rule of arithmetic microxcaling") && Contains("torchao"));
  CHECK_THAT(problem_of("mxfp8:exponent_bump=true"), Contains("exponent_bump = true: needs rule floor"));
}

TEST_CASE("rules reach their sites, layers, passes, operands and steps and no others") {
  const PrecisionSchedule s =
      schedule_of("mxfp8",
                  "steps=:10 -> bf16; layers=-1 mlp.* -> high; lm_head -> te-current; attn.proj pass=dgrad -> high; "
                  "attn.qkv operand=dy -> rounding=sr random_bits=8");
  const SitePrecision plain = linear_of("mxfp8");
  CHECK(s.first_steps == std::vector<std::int64_t>{0, 10});
  CHECK(to_string(site_at(s, 9, SiteKind::MlpUp).fprop.first.element.format) == "bf16");
  CHECK(site_at(s, 9, SiteKind::MlpUp, 3) == SitePrecision{});  // the later rule wins
  CHECK(site_at(s, 10, SiteKind::MlpUp) == plain);
  CHECK(site_at(s, 99, SiteKind::MlpDown, 3) == SitePrecision{});
  CHECK(site_at(s, 99, SiteKind::MlpDown, 2) == plain);
  CHECK(site_at(s, 50, SiteKind::LmHead) == make_recipe("te-current").lm_head);
  const SitePrecision& proj = site_at(s, 50, SiteKind::AttnProj);
  CHECK((proj.dgrad == GemmPrecision{} && proj.fprop == plain.fprop && proj.wgrad == plain.wgrad));
  const SitePrecision& qkv = site_at(s, 50, SiteKind::AttnQkv);
  CHECK((qkv.dgrad.first.element.rounding == Rounding::Stochastic && qkv.wgrad.first.element.random_bits == 8));
  CHECK(qkv.fprop == plain.fprop);
  CHECK(qkv.dgrad.second == plain.dgrad.second);
}

TEST_CASE("native is the unit of the recipe's hardware at each product, promoted where its library does") {
  const auto names = [](const std::string& recipe, const std::string& rules = "") {
    PrecisionConfig config;
    config.recipe = recipe, config.rules = rules, config.accumulator = "native";
    ModelConfig gpt;
    gpt.layers = 1;
    const PrecisionPolicy policy = make_schedule(config, gpt, 10).at_step(0);
    std::string text;
    const auto add = [&](SiteKind kind) {
      const SitePrecision& site = policy.at(policy.site_index(kind, 0));
      for (const GemmPrecision* gemm : {&site.fprop, &site.dgrad, &site.wgrad})
        text += (text.empty() ? "" : " ") + short_name(gemm->arithmetic.accumulator);
    };
    add(SiteKind::MlpUp), add(SiteKind::AttnQk);
    return text;
  };
  const std::string hopper_bf16 = " hopper-bf16 hopper-bf16 hopper-bf16";
  CHECK(names("te-current") == "hopper-fp8 hopper-fp8:promote=128 hopper-fp8:promote=128" + hopper_bf16);
  CHECK(names("deepseek-v3").rfind("hopper-fp8:promote=128 hopper-fp8:promote=128 hopper-fp8:promote=128", 0) == 0);
  CHECK(names("mxfp8").rfind("blackwell-mxf8 blackwell-mxf8 blackwell-mxf8", 0) == 0);
  CHECK(names("nvfp4").rfind("blackwell-nvf4 blackwell-nvf4 blackwell-nvf4", 0) == 0);
  CHECK(names("bf16") == "ampere-bf16 ampere-bf16 ampere-bf16 ampere-bf16 ampere-bf16 ampere-bf16");
  CHECK(names("te-current", "mlp.up pass=fprop -> accumulator=native:hardware=ada")
            .rfind("ada-fp8:promote=128 hopper-fp8:promote=128", 0) == 0);
  CHECK_THROWS_WITH(names("int8"), Catch::Contains("native:hardware="));
}

TEST_CASE("a unit that cannot multiply a site's operands is refused with the site's name, before training") {
  PrecisionConfig config;
  config.recipe = "te-current", config.accumulator = "hopper-fp8";
  CHECK_THROWS_WITH(make_policy(config, 1),
                    Catch::Contains("h.0.attn.qk: accumulator hopper-fp8 multiplies e4m3 or e5m2, not bf16 x bf16"));
  config.recipe = "fp8-all";
  CHECK_NOTHROW(make_policy(config, 1));
}

TEST_CASE("fields of rules are a recipe's options, and accumulator and scales of the selected GEMMs") {
  const PrecisionSchedule s = schedule_of(
      "mxfp8", "mlp.* operand=dy -> rule=floor block=16; attn.proj pass=wgrad -> accumulator=hopper scales=operand");
  const SitePrecision plain = linear_of("mxfp8");
  const SitePrecision& up = site_at(s, 0, SiteKind::MlpUp);
  for (const Quantizer* dy : {&up.dgrad.first, &up.wgrad.first})
    CHECK((dy->scaling == Scaling(MxScaling{.rule = ScaleRule::Floor, .block = {1, 16}})));
  CHECK((up.fprop == plain.fprop && up.dgrad.second == plain.dgrad.second));
  const SitePrecision& proj = site_at(s, 0, SiteKind::AttnProj);
  CHECK(to_string(proj.wgrad.arithmetic.accumulator) == to_string(parse_accumulator("hopper")));
  CHECK(proj.wgrad.arithmetic.scales == ScalesAct::Operands);
  CHECK((proj.wgrad.first == plain.wgrad.first && proj.dgrad == plain.dgrad && proj.fprop == plain.fprop));
}

TEST_CASE("a rule gives an output a format and a rounding, and no scale") {
  const PrecisionSchedule s = schedule_of("mxfp8", "operand=output -> format=e5m2 rounding=sr overflow=saturate");
  const SitePrecision& up = site_at(s, 0, SiteKind::MlpUp);
  CHECK((up.fprop.arithmetic.output == ElementQuantizer{parse_float_format("e5m2"), Rounding::Stochastic}));
  CHECK((up.dgrad.first == linear_of("mxfp8").dgrad.first));
  for (const char* field : {"scaling=current", "power_of_two=true"})
    CHECK_THROWS_WITH(schedule_of("mxfp8", std::string("operand=output -> ") + field),
                      Contains("nothing that the rule selects has this field"));
}

TEST_CASE("fields of a rule say the same in any order: the scaling is what all of them together name") {
  const char* const fields[] = {"power_of_two=true", "rule=amax", "arithmetic=te"};
  const auto rule = [&](int a, int b, int c) {
    return std::string("mlp.up -> ") + fields[a] + " " + fields[b] + " " + fields[c];
  };
  const auto expected = Scaling(BlockAmaxScaling{{1, 32}, {true, {}}});
  for (const std::string& rules : {rule(0, 1, 2), rule(1, 0, 2), rule(2, 1, 0)})
    CHECK((site_at(schedule_of("mxfp8", rules), 0, SiteKind::MlpUp).fprop.first.scaling == expected));
  CHECK_THROWS_WITH(schedule_of("mxfp8", "mlp.up -> power_of_two=true"), Contains("rule rceil has its own scales"));
}

TEST_CASE("rules that match nothing or cannot be applied are refused by name") {
  const auto refused = [](const std::string& rules) {
    try {
      schedule_of("fp8", rules);
    } catch (const ConfigError& error) {
      CHECK(error.where().key == "precision.rules");
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK_THAT(refused("mlp.gate -> bf16"),
             Contains("\"mlp.gate -> bf16\" matches no site; the sites of this model are "
                      "attn.qkv, attn.qk, attn.pv, attn.proj, mlp.up, mlp.down, lm_head"));  // a GPT has no gate
  CHECK_THAT(refused("layers=9 -> bf16"), Contains("matches no layer or step of this run, which has layers 0 to 3"));
  CHECK_THAT(refused("steps=200: -> bf16"), Contains("matches no layer or step") && Contains("steps 0 to 99"));
  CHECK_THAT(refused("mlp.up -> foo"), Contains("must be one of"));
  CHECK_THAT(refused("mlp.up -> colour=red"), Contains("fields are format, overflow"));
  CHECK_THAT(refused("mlp.up -> blok=4"), Contains("did you mean block?"));
  CHECK_THAT(refused("lm_head -> block=16"), Contains("block = 16: nothing that the rule selects has this field"));
  CHECK_THAT(refused("mlp.up -> history=4"), Contains("history = 4: nothing"));
  CHECK_THAT(refused("mlp.up operand=dy -> accumulator=hopper"), Contains("accumulator = hopper: nothing"));
  CHECK_THAT(refused("mlp.up -> scales=both"), Contains("scales must be sums or operand"));
  CHECK_THAT(refused("attn.qk -> deepseek-v3; attn.qk operand=w -> rounding=up"), Contains("rup"));
}

TEST_CASE("a schedule changes what a run computes from its step on and not before") {
  const auto losses = [](const std::string& rules) {
    std::vector<std::string> settings = {"precision.recipe=mxfp4", "train.steps=6"};
    if (!rules.empty()) settings.push_back("precision.rules=" + rules);
    const RunConfig config = test::tiny_config(settings);
    const auto tokens = open_tokens(config);
    Trainer trainer(config, *tokens);
    std::vector<double> values;
    for (int step = 0; step < 6; ++step)
      for (const SeriesRow& row : trainer.step())
        if (row.group == kMetricsGroup) values.push_back(row.values[0]);
    return values;
  };
  const auto plain = losses(""), late = losses("steps=3: -> high");
  for (int step = 0; step < 3; ++step)
    CHECK(plain[static_cast<std::size_t>(step)] == late[static_cast<std::size_t>(step)]);
  CHECK(plain[3] != late[3]);
}
