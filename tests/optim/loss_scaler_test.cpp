// SPDX-License-Identifier: Apache-2.0
// The loss scaler as a state machine, with the constants of apex.amp.scaler, stepped through tables.
#include "optim/loss_scaler.h"

#include <limits>
#include <vector>

#include "precision/base/check.h"
#include "tests/support/catch.h"

using namespace precipice;
using Decision = LossScaler::Decision;

namespace {

LossScaleConfig dynamic_config() {
  LossScaleConfig config;
  config.kind = LossScaling::Dynamic;
  return config;
}

void good_steps(LossScaler& scaler, int count) {
  for (int i = 0; i < count; ++i) REQUIRE(scaler.update(true) == Decision::Apply);
}

}  // namespace

TEST_CASE("dynamic scale: every transition of a small machine", "[loss_scaler]") {
  // initial 8, factor 2, window 3, within [2, 16].
  LossScaleConfig config = dynamic_config();
  config.initial = 8;
  config.window = 3;
  config.minimum = 2;
  config.maximum = 16;
  LossScaler scaler(config);
  CHECK(scaler.scale() == 8);

  struct Row {
    bool finite;
    Decision decision;
    double scale;
    std::int64_t good;
  };
  const std::vector<Row> rows = {
      {true, Decision::Apply, 8, 1},  {true, Decision::Apply, 8, 2},
      {true, Decision::Apply, 16, 0},  // third good step in a row: doubled
      {true, Decision::Apply, 16, 1}, {true, Decision::Apply, 16, 2},
      {true, Decision::Apply, 16, 0},  // at the maximum: stays
      {true, Decision::Apply, 16, 1}, {true, Decision::Apply, 16, 2},
      {false, Decision::Skip, 8, 0},  // one short of growth: halved, count lost
      {true, Decision::Apply, 8, 1},  {false, Decision::Skip, 4, 0},
      {false, Decision::Skip, 2, 0},  {false, Decision::Skip, 2, 0},  // at the minimum: stays, still skips
      {true, Decision::Apply, 2, 1},  {true, Decision::Apply, 2, 2},
      {true, Decision::Apply, 4, 0},  // and recovers
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    INFO("row " << i);
    CHECK(scaler.update(rows[i].finite) == rows[i].decision);
    CHECK(scaler.scale() == rows[i].scale);
    CHECK(scaler.state().good_steps == rows[i].good);
  }
}

TEST_CASE("apex constants: 65536 doubles at exactly the 2000th good step in a row", "[loss_scaler]") {
  LossScaler scaler(dynamic_config());
  CHECK(scaler.scale() == 65536);
  good_steps(scaler, 1999);
  CHECK(scaler.scale() == 65536);
  good_steps(scaler, 1);
  CHECK(scaler.scale() == 131072);
  good_steps(scaler, 1999);
  CHECK(scaler.scale() == 131072);
  CHECK(scaler.update(false) == Decision::Skip);
  CHECK(scaler.scale() == 65536);
  good_steps(scaler, 1999);
  CHECK(scaler.scale() == 65536);
  good_steps(scaler, 1);
  CHECK(scaler.scale() == 131072);
}

TEST_CASE("apex constants: growth ends at 2^24 and back-off at the minimum of 1", "[loss_scaler]") {
  LossScaler scaler(dynamic_config());
  good_steps(scaler, 8 * 2000);
  CHECK(scaler.scale() == 16777216);
  good_steps(scaler, 2000);
  CHECK(scaler.scale() == 16777216);
  for (int i = 0; i < 24; ++i) CHECK(scaler.update(false) == Decision::Skip);
  CHECK(scaler.scale() == 1);
  CHECK(scaler.update(false) == Decision::Skip);
  CHECK(scaler.scale() == 1);
}

TEST_CASE("a factor that does not hit the limits exactly is cut to them", "[loss_scaler]") {
  LossScaleConfig config = dynamic_config();
  config.initial = 10;
  config.factor = 4;
  config.window = 1;
  config.minimum = 3;
  config.maximum = 25;
  LossScaler scaler(config);
  scaler.update(true);
  CHECK(scaler.scale() == 25);
  scaler.update(false);
  CHECK(scaler.scale() == 6.25);
  scaler.update(false);
  CHECK(scaler.scale() == 3);
}

TEST_CASE("an initial scale above the maximum starts at the maximum", "[loss_scaler]") {
  LossScaleConfig config = dynamic_config();
  config.maximum = 1024;
  CHECK(LossScaler(config).scale() == 1024);
}

TEST_CASE("none is 1, static is its initial value; both never change and never skip", "[loss_scaler]") {
  LossScaleConfig config;
  config.window = 2;
  config.initial = 512;
  struct Row {
    LossScaling kind;
    double scale;
  };
  for (const Row& row : {Row{LossScaling::None, 1}, Row{LossScaling::Static, 512}}) {
    config.kind = row.kind;
    LossScaler scaler(config);
    for (const bool finite : {true, true, true, false, false, true}) {
      CHECK(scaler.scale() == row.scale);
      CHECK(scaler.update(finite) == Decision::Apply);
    }
    CHECK(scaler.scale() == row.scale);
  }
}

TEST_CASE("a restored scaler goes on as the saved one would", "[loss_scaler]") {
  LossScaler saved(dynamic_config());
  saved.update(false);
  good_steps(saved, 1998);
  LossScaler resumed(dynamic_config());
  resumed.restore(saved.state());
  for (const bool finite : {true, true, true, false, true}) {
    CHECK(resumed.update(finite) == saved.update(finite));
    CHECK(resumed.scale() == saved.scale());
    CHECK(resumed.state().good_steps == saved.state().good_steps);
  }
}

TEST_CASE("a loss-scale configuration that makes no sense is refused", "[loss_scaler]") {
  CHECK_THROWS_AS(LossScaler(LossScaleConfig{std::nullopt}), ContractError);
  struct Row {
    double initial, factor;
    std::int64_t window;
    double minimum, maximum;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  for (const Row& row :
       {Row{0, 2, 10, 1, 100}, Row{nan, 2, 10, 1, 100}, Row{inf, 2, 10, 1, 100}, Row{10, 1, 10, 1, 100},
        Row{10, 0.5, 10, 1, 100}, Row{10, nan, 10, 1, 100}, Row{10, 2, 0, 1, 100}, Row{10, 2, 10, 0, 100},
        Row{10, 2, 10, 11, 100}, Row{10, 2, 10, nan, 100}, Row{10, 2, 10, 5, 4}, Row{10, 2, 10, 1, inf}}) {
    CHECK_THROWS_AS(LossScaler(LossScaleConfig{LossScaling::Dynamic, row.initial, row.factor, row.window, row.minimum,
                                               row.maximum}),
                    ConfigError);
  }
  CHECK_THROWS_AS(LossScaler(LossScaleConfig{LossScaling::Static, -1}), ConfigError);
}
