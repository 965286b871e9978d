// SPDX-License-Identifier: Apache-2.0
// A student as a whole run: it learns, repeats, goes on from a checkpoint, logs what it has, and refuses what it has not.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "train/data/open_tokens.h"
#include "train/estimates/log_size.h"
#include "train/estimates/memory_estimate.h"
#include "train/estimates/planned_products.h"
#include "train/run/resolve_config.h"
#include "train/run/trainer.h"

using namespace precipice;
using Catch::Contains;

namespace {

std::vector<Setting> student_settings(const std::vector<std::string>& words) {
  std::vector<Setting> settings = parse_settings(
      "[model]\nkind = \"mlp\"\nlayers = 2\nwidth = 16\n[init]\nstd = 0.1\n[schedule]\nwarmup_steps = 5\n"
      "[optimizer]\nlr = 1e-2\n[train]\nsteps = 40\nbatch = 32\neval_every = 10\neval_batches = 2\n"
      "[metrics]\ntensors_every = 5\nattention_every = 10\ncritical_every = 20\nsam_every = 20\nnoise_every = 20\n"
      "gradient_error_every = 20\n",
      "student.toml");
  for (const std::string& word : words) settings.push_back(parse_assignment(word));
  return settings;
}
RunConfig student_config(const std::vector<std::string>& words = {}) {
  return resolve_config(student_settings(words));
}

struct StudentRun {
  explicit StudentRun(const RunConfig& config, std::int64_t stop_at = 0) {
    const auto tokens = open_tokens(config);
    auto trainer = std::make_unique<Trainer>(config, *tokens);
    groups = trainer->groups();
    while (trainer->steps_done() < config.train.steps) {
      if (stop_at > 0 && trainer->steps_done() == stop_at) {
        const Checkpoint middle = trainer->checkpoint("id");
        trainer = std::make_unique<Trainer>(config, *tokens);
        trainer->restore(middle, rows);
        stop_at = 0;
      }
      for (SeriesRow& row : trainer->step()) rows.push_back(std::move(row));
    }
    rows.push_back(trainer->evaluate());
    end = trainer->checkpoint("id");
  }
  const SeriesGroup* group(const std::string& name) const {
    const auto found = std::ranges::find_if(groups, [&](const SeriesGroup& g) { return g.name == name; });
    return found == groups.end() ? nullptr : &*found;
  }
  // Rows of one group.
  std::vector<std::vector<double>> values(const std::string& name) const {
    std::vector<std::vector<double>> found;
    for (const SeriesRow& row : rows)
      if (groups.at(row.group).name == name) found.push_back(row.values);
    return found;
  }
  std::vector<SeriesGroup> groups;
  std::vector<SeriesRow> rows;
  Checkpoint end;
};

// NaN equals NaN.
bool same_student(const StudentRun& a, const StudentRun& b) {
  if (a.rows.size() != b.rows.size() || a.end.arrays.size() != b.end.arrays.size()) return false;
  for (std::size_t i = 0; i < a.rows.size(); ++i)
    if (a.rows[i].values.size() != b.rows[i].values.size() ||
        std::memcmp(a.rows[i].values.data(), b.rows[i].values.data(), a.rows[i].values.size() * sizeof(double)) != 0)
      return false;
  for (std::size_t i = 0; i < a.end.arrays.size(); ++i)
    if (a.end.arrays[i].values != b.end.arrays[i].values) return false;
  return true;
}

std::string refusal_of_student(const std::vector<std::string>& words) {
  try {
    student_config(words);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

std::size_t place_of(const SeriesGroup& group, const std::string& name) {
  const auto found = std::ranges::find_if(group.series, [&](const Series& s) { return s.name == name; });
  REQUIRE(found != group.series.end());
  return static_cast<std::size_t>(found - group.series.begin());
}

}  // namespace

TEST_CASE("a student learns from its teacher, and what tokens alone have is absent from its log", "[student]") {
  const StudentRun run(student_config());
  const auto steps = run.values("metrics"), evals = run.values("eval");
  CHECK(evals.back()[0] < 0.7 * evals.front()[0]);
  for (const std::vector<double>& row : evals) CHECK(std::isnan(row[1]));  // no entropy floor
  const SeriesGroup& metrics = *run.group("metrics");
  CHECK(metrics.series[0].units == "1");
  CHECK_THAT(metrics.series[0].long_name, Contains("squared error"));
  for (const char* name : {"max_logit", "log_z"}) CHECK(std::isnan(steps.front()[place_of(metrics, name)]));
  for (const char* name : {"train_loss", "grad_norm", "update_ratio"})
    CHECK(std::isfinite(steps.front()[place_of(metrics, name)]));
  for (const char* name : {"attention", "heads"}) CHECK(run.group(name) == nullptr);
  for (const char* name : {"sharpness", "lbfgs"}) CHECK(run.values(name).empty());
  CHECK(run.group("tensors")->sites ==
        std::vector<std::string>{"h.0.mlp.up", "h.0.mlp.down", "h.1.mlp.up", "h.1.mlp.down"});
  CHECK(run.group("norms")->sites == std::vector<std::string>{"layers.0.ln", "layers.1.ln"});
  for (const char* name : {"activations", "norms", "critical", "sam", "noise", "gradient_error"}) {
    const auto rows = run.values(name);
    for (const double value : rows.at(0)) {
      INFO(name);
      CHECK(std::isfinite(value));
    }
  }
}

TEST_CASE("a student repeats with the same bits and goes on with them from a checkpoint, in every recipe",
          "[student]") {
  for (const char* recipe : {"fp32", "e8m3:rounding=sr", "mx-systems-scaling"}) {
    INFO(recipe);
    const RunConfig config = student_config({std::string("precision.recipe=") + recipe, "model.width=32",
                                             "model.hidden=64", "train.steps=8", "train.eval_every=0"});
    const StudentRun straight(config);
    CHECK(same_student(straight, StudentRun(config)));
    CHECK(same_student(straight, StudentRun(config, 5)));
  }
  const std::vector<std::string> short_run{"train.steps=2", "train.eval_every=0"};
  CHECK_FALSE(same_student(StudentRun(student_config(short_run)),
                           StudentRun(student_config({"seed=1", "train.steps=2", "train.eval_every=0"}))));
}

TEST_CASE("the curvature of a student is measured while it trains", "[student]") {
  const StudentRun run(student_config({"train.steps=1", "train.eval_every=0", "metrics.hessian_every=1"}));
  const auto rows = run.values("hessian");
  CHECK(rows.at(0).at(place_of(*run.group("hessian"), "top_eigenvalue")) > 0);
}

TEST_CASE("with the first batch alone a student's loss on it falls at every step of a small rate", "[student]") {
  const StudentRun run(student_config({"data.cycle=1", "precision.recipe=fp32", "optimizer.kind=sgd",
                                       "optimizer.momentum=0", "optimizer.lr=1e-2", "optimizer.weight_decay=0",
                                       "optimizer.clip_norm=0", "schedule.warmup_steps=0"}));
  const auto rows = run.values("metrics");
  for (std::size_t i = 1; i < rows.size(); ++i) CHECK(rows[i][0] < rows[i - 1][0]);
}

TEST_CASE("a student's plan counts its log, its products and more than its weights of memory", "[student]") {
  const RunConfig config = student_config({"precision.recipe=fp8"});
  const auto tokens = open_tokens(config);
  const Trainer trainer(config, *tokens);
  const std::vector<SeriesGroup> groups = trainer.groups();
  const std::vector<LoggedGroup> logged = logged_groups(config);
  REQUIRE(groups.size() == logged.size());
  for (std::size_t i = 0; i < groups.size(); ++i) CHECK(logged[i].row_width == groups[i].row_width());
  CHECK(estimate_memory(config, 0).bytes() > 4.0 * static_cast<double>(trainer.num_parameters()));
  CHECK(planned_products(config, ResolvedRun(config).schedule.at_step(0)).size() == 4);
}

TEST_CASE("a student's config says what follows from its kind, and reads back to itself", "[student]") {
  const RunConfig config = student_config();
  CHECK(config.data.source == DataSource::Teacher);
  CHECK(config.model.context == 1);
  CHECK(config.data.teacher_layers == 2);
  CHECK(config.data.teacher_hidden == 64);
  CHECK(config.metrics.intervals.at("sharpness") == 0);
  CHECK(run_id(resolve_config(parse_settings(to_toml(config), "again.toml"))) == run_id(config));
}

TEST_CASE("what a student has not is refused with its key", "[student]") {
  const std::vector<std::pair<std::string, std::string>> cases{{"model.context=4", "no positions"},
                                                               {"model.heads=2", "no attention"},
                                                               {"model.kv_heads=2", "no attention"},
                                                               {"model.qk_norm=rmsnorm", "no attention"},
                                                               {"model.norm_placement=post", "norms before"},
                                                               {"model.tied_head=true", "no LM head"},
                                                               {"model.softcap=5", "no logits"},
                                                               {"train.z_loss=1e-4", "no logits"},
                                                               {"precision.attention=bf16", "no attention"},
                                                               {"precision.lm_head=bf16", "no LM head"},
                                                               {"metrics.sharpness_every=5", "no logits"},
                                                               {"metrics.lbfgs_every=5", "no logits"},
                                                               {"metrics.fp32_sharpness_every=5", "no logits"},
                                                               {"metrics.centred_sharpness_every=5", "no logits"},
                                                               {"init.plant=sink", "no attention"},
                                                               {"data.source=synthetic", "learns from data.source"}};
  for (const auto& [word, reason] : cases) {
    INFO(word);
    CHECK_THAT(refusal_of_student({word}), Contains(word.substr(0, word.find('='))) && Contains(reason));
  }
  CHECK(refusal_of_student({"init.plant=gains"}) == "accepted");
  CHECK_THAT(refusal_of_student({"precision.rules=lm_head -> bf16"}), Contains("matches no site"));
  CHECK_THAT(refusal_of_student({"model.kind=gpt", "data.source=teacher"}),
             Contains("data.source") && Contains("\"mlp\""));
  CHECK_THAT(refusal_of_student({"model.kind=gpt", "data.teacher_layers=2"}), Contains("data.teacher_layers"));
  CHECK_THAT(refusal_of_student({"data.path=text.txt"}), Contains("reads no file"));
}
