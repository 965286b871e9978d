// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/landscape.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <thread>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/made_run.h"

using namespace precipice;
using test::MadeRun;
using test::small_gpt;

namespace {

LandscapeRequest request_of(const MadeRun& run, const std::string& out, std::int64_t points = 5) {
  LandscapeRequest request;
  request.evaluation.run = run.path();
  request.step = 20;
  request.x.points = request.y.points = points;
  request.out = run.dir / out;
  return request;
}

double loss_at(const Hdf5Reader& file, std::size_t i, std::size_t j) {
  return file.read_doubles("/train_loss")[j * file.read_doubles("/xcoordinates").size() + i];
}

std::string error_of(const LandscapeRequest& request) {
  try {
    make_landscape(request);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("the centre of a landscape has the bits of the run's validation loss, in every kind of directions") {
  const MadeRun run(small_gpt({"precision.recipe=fp8", "train.checkpoint_every=10"}));
  for (const char* kind : {"random", "hessian", "trajectory"}) {
    INFO(kind);
    LandscapeRequest request = request_of(run, std::string(kind) + ".h5", 3);
    request.directions = kind;
    const LandscapeResult result = make_landscape(request);
    CHECK(result.complete);
    CHECK(result.computed == 9);
    const Hdf5Reader file(request.out);
    CHECK(file.read_doubles("/xcoordinates") == std::vector<double>{-1, 0, 1});
    CHECK(std::bit_cast<std::uint64_t>(loss_at(file, 1, 1)) == std::bit_cast<std::uint64_t>(*run.validation_loss(20)));
    CHECK(loss_at(file, 0, 1) != loss_at(file, 1, 1));
    CHECK(loss_at(file, 1, 0) != loss_at(file, 1, 1));
  }
}

TEST_CASE("rows are y and columns are x, and each point is the loss at w + x dx + y dy") {
  const MadeRun run(small_gpt({"precision.recipe=fp32"}));
  LandscapeRequest request = request_of(run, "a.h5");
  request.x.points = 3;
  make_landscape(request);
  const Hdf5Reader file(request.out);
  REQUIRE(file.shape("/train_loss") == std::vector<std::uint64_t>{5, 3});
  RunEvaluator evaluator(request.evaluation);
  evaluator.load(20);
  const Directions d = random_directions(evaluator, 0);
  for (const auto& [i, j] : {std::pair<std::size_t, std::size_t>{0, 4}, {2, 1}}) {
    const double x = file.read_doubles("/xcoordinates")[i], y = file.read_doubles("/ycoordinates")[j];
    FlatVector w = evaluator.weights();
    for (std::size_t k = 0; k < w.size(); ++k) w[k] = static_cast<float>(w[k] + x * d.x[k] + y * d.y[k]);
    CHECK(loss_at(file, i, j) == evaluator.loss(w));
  }
}

TEST_CASE("neither the number of threads nor an interruption changes a byte") {
  const MadeRun run(small_gpt({"precision.recipe=fp8", "precision.rounding=sr"}));
  LandscapeRequest request = request_of(run, "straight.h5", 7);
  make_landscape(request);
  const std::string straight = text_of(request.out);

  request.out = run.dir / "threads.h5";
  request.jobs = 3;
  make_landscape(request);
  CHECK(text_of(request.out) == straight);

  request.out = run.dir / "resumed.h5";
  request.jobs = 1;
  std::atomic<bool> stop = false;
  request.stop = &stop;
  request.progress = [&](std::size_t done, std::size_t) {
    if (done >= 3) stop = true;
  };
  const LandscapeResult part = make_landscape(request);
  REQUIRE_FALSE(part.complete);
  const std::vector<double> losses = Hdf5Reader(request.out).read_doubles("/train_loss");
  CHECK(static_cast<std::size_t>(std::count(losses.begin(), losses.end(), -1.0)) == 49 - part.computed);
  stop = false;
  request.progress = {};
  const LandscapeResult rest = make_landscape(request);
  CHECK(rest.complete);
  CHECK(rest.computed == 49 - part.computed);
  CHECK(text_of(request.out) == straight);

  CHECK(make_landscape(request).computed == 0);
  CHECK(text_of(request.out) == straight);
}

TEST_CASE("a landscape's own file gives directions for another one, in another recipe") {
  const MadeRun run(small_gpt({"precision.recipe=fp32"}));
  LandscapeRequest request = request_of(run, "a.h5", 3);
  make_landscape(request);
  LandscapeRequest again = request;
  again.directions = request.out.string();
  again.out = run.dir / "b.h5";
  make_landscape(again);
  CHECK(Hdf5Reader(again.out).read_doubles("/train_loss") == Hdf5Reader(request.out).read_doubles("/train_loss"));
  CHECK(text_of(again.out) == text_of(request.out));
  again.evaluation.recipe = "fp8";
  again.out = run.dir / "c.h5";
  make_landscape(again);
  CHECK(Hdf5Reader(again.out).read_doubles("/train_loss") != Hdf5Reader(request.out).read_doubles("/train_loss"));
  CHECK(Hdf5Reader(again.out).read_floats("/xdirection/0") == Hdf5Reader(request.out).read_floats("/xdirection/0"));
}

TEST_CASE("random directions have each row's norm in matrices and leave vectors alone") {
  const MadeRun run(small_gpt({"model.bias=true"}));
  EvaluationRequest evaluation;
  evaluation.run = run.path();
  RunEvaluator evaluator(evaluation);
  evaluator.load(20);
  const Directions d = random_directions(evaluator, 4);
  for (const ParameterSlice& slice : evaluator.parameters()) {
    INFO(slice.name);
    const std::size_t rows = slice.shape.size() == 2 ? static_cast<std::size_t>(slice.shape[0]) : 1;
    const std::size_t width = static_cast<std::size_t>(slice.size) / rows;
    for (std::size_t row = 0; row < rows; ++row) {
      double direction = 0, weights = 0;
      for (std::size_t i = 0; i < width; ++i) {
        const std::size_t at = static_cast<std::size_t>(slice.offset) + row * width + i;
        direction += double{d.x[at]} * d.x[at];
        weights += double{evaluator.weights()[at]} * evaluator.weights()[at];
      }
      // Elements rounded to fp32 after the scaling.
      CHECK(std::sqrt(direction) == Approx(slice.shape.size() == 2 ? std::sqrt(weights) : 0).epsilon(1e-6));
    }
  }
  CHECK(d.x != d.y);
  CHECK(random_directions(evaluator, 5).x != d.x);
}

TEST_CASE("a trajectory's plane holds its points: the loss at their coordinates is the checkpoints' loss") {
  const MadeRun run(small_gpt({"precision.recipe=fp32", "train.checkpoint_every=10"}));
  EvaluationRequest evaluation;
  evaluation.run = run.path();
  RunEvaluator evaluator(evaluation);
  evaluator.load(20);
  const Directions d = trajectory_directions(evaluator);
  CHECK(evaluator.step() == 20);
  CHECK(d.steps == std::vector<std::int64_t>{0, 10});
  const FlatVector origin = evaluator.weights();
  for (std::size_t k = 0; k < 2; ++k) {
    FlatVector w = origin;
    add_scaled(w, d.x_of_step[k], d.x);
    add_scaled(w, d.y_of_step[k], d.y);
    CHECK(std::max(std::abs(d.x_of_step[k]), std::abs(d.y_of_step[k])) <= 1);
    // Two points and the origin span the plane, so the rest is rounding of the weights.
    CHECK(evaluator.loss(w) == Approx(*run.validation_loss(d.steps[k])).margin(1e-6));
  }
}

TEST_CASE("one point is the centre, and a diverged run's landscape is NaN and counted") {
  const MadeRun run(small_gpt({"optimizer.lr=1e30"}));
  LandscapeRequest request = request_of(run, "nan.h5", 1);
  EvaluationRequest evaluation;
  evaluation.run = run.path();
  request.step = RunEvaluator(evaluation).steps_with_weights().back();
  const LandscapeResult result = make_landscape(request);
  CHECK(result.complete);
  CHECK(result.not_finite == 1);
  CHECK(std::isnan(result.lowest));
  request.directions = "hessian";
  request.out = run.dir / "hessian.h5";
  CHECK(error_of(request).find("`directions` hessian: a product with the operator is not finite") == 0);
}

TEST_CASE("files that hold another landscape, other shapes or no landscape are refused in one line") {
  const MadeRun run(small_gpt());
  LandscapeRequest request = request_of(run, "a.h5", 3);
  make_landscape(request);
  request.seed = 1;
  CHECK(contains(error_of(request), "holds another landscape"));
  request.force = true;
  CHECK(error_of(request).empty());
  request.force = false;
  request.x.points = 4;
  CHECK(contains(error_of(request), "holds another landscape"));
  request.out = run.dir / "text.h5";
  write_text(request.out, "no HDF5");
  CHECK(contains(error_of(request), "text.h5"));
  request.out = run.dir / "b.h5";
  request.directions = "trajectory";
  CHECK(contains(error_of(request), "needs finite weights of three steps"));

  const MadeRun wider(small_gpt({"model.width=6"}));
  LandscapeRequest other = request_of(wider, "c.h5", 3);
  other.directions = (run.dir / "a.h5").string();
  CHECK(contains(error_of(other), "/xdirection/0 has shape (7, 4), transformer.wte.weight has (7, 6)"));
}
