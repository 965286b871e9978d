// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/logit_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;
using Json = nlohmann::json;

namespace {

std::string refusal(const std::string& json) {
  try {
    answer_logits(json);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

Json only_answer(const std::string& item) {
  const Json answers = Json::parse(answer_logits("[" + item + "]"));
  REQUIRE(answers.size() == 1);
  return answers[0];
}

double naive_loss(const std::vector<double>& z, std::size_t target) {
  double sum = 0;
  for (const double value : z) sum += std::exp(value - z[target]);
  return std::log(sum);
}

}  // namespace

TEST_CASE("answers are the maximum over all corners of the box, in the order of the questions") {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0, 3);
  Json questions = Json::array();
  std::vector<double> losses, rises;
  for (int i = 0; i < 50; ++i) {
    const std::size_t size = 2 + random() % 7, target = random() % size;
    const double eps = i % 2 ? 1e-3 : 0.1;
    std::vector<double> z(size);
    for (double& value : z) value = normal(random);
    questions.push_back({{"logits", z}, {"target", target}, {"eps", eps}});
    double highest = 0;
    for (std::size_t signs = 0; signs < (1u << size); ++signs) {
      std::vector<double> corner = z;
      for (std::size_t k = 0; k < size; ++k) corner[k] += (signs >> k & 1 ? 1 : -1) * eps * (std::abs(z[k]) + 1);
      highest = std::max(highest, naive_loss(corner, target));
    }
    losses.push_back(naive_loss(z, target));
    rises.push_back(highest - losses.back());
  }
  const Json answers = Json::parse(answer_logits(questions.dump()));
  REQUIRE(answers.size() == 50);
  for (std::size_t i = 0; i < 50; ++i) {
    // The oracle subtracts two losses of up to 20 in double: 20 * 2^-52 each, and its sums.
    CHECK(answers[i]["loss"].get<double>() == Approx(losses[i]).epsilon(1e-12).margin(1e-13));
    CHECK(answers[i]["rise"].get<double>() == Approx(rises[i]).epsilon(1e-12).margin(1e-13));
    CHECK(answers[i]["sharpness"].get<double>() ==
          Approx(100 * rises[i] / (1 + losses[i])).epsilon(1e-12).margin(1e-11));
    CHECK_FALSE(answers[i].contains("reason"));
  }
}

TEST_CASE("what is undefined is null with a reason, as Python writes it or in words") {
  for (const char* nan : {"NaN", "\"nan\"", "null"}) {
    const Json answer = only_answer(std::string(R"({"logits": [1, )") + nan + R"(, 2], "target": 0, "eps": 0.1})");
    for (const char* key : {"loss", "rise", "sharpness"}) CHECK(answer[key].is_null());
    CHECK(answer["reason"] == "a logit is NaN");
  }
  CHECK(only_answer(R"({"logits": [1, Infinity], "target": 0})")["reason"] == "a logit is +inf");
  CHECK(only_answer(R"({"logits": [-Infinity, 1], "target": 0})")["reason"] == "the target's logit is -inf");
  CHECK(only_answer(R"({"logits": [-Infinity, 1], "target": 0})")["loss"].is_null());
  const Json one = only_answer(R"({"logits": [7], "target": 0, "eps": 0.1})");
  CHECK(one["loss"] == 0.0);
  CHECK(one["sharpness"] == 0.0);
  CHECK(one["reason"] == "one logit: its probability is 1 and nothing can rise");
  CHECK(only_answer(R"({"logits": [7, "-inf"], "target": 0})")["reason"] ==
        "all other logits are -inf: nothing can rise");
  // A masked logit beside others stays out.
  const Json masked = only_answer(R"({"logits": [1, 2, -Infinity], "target": 0, "eps": 0.1})"),
             without = only_answer(R"({"logits": [1, 2], "target": 0, "eps": 0.1})");
  CHECK(masked == without);
}

TEST_CASE("an empty list of questions has an empty list of answers") {
  CHECK(answer_logits("[]") == "[]\n");
}

TEST_CASE("bad questions name the item, the key, the value and what is allowed") {
  CHECK(refusal("{") == "standard input: not JSON at byte 2");
  CHECK(refusal("7") == R"(standard input: an array of {"logits": [...], "target": i, "eps": e} is needed)");
  CHECK(refusal(R"([{"logits": [1, 2], "target": 0}, {"logits": [1, 2], "target": 2}])") ==
        "standard input: item 1: target: 2 is not a whole number from 0 to 1");
  CHECK(refusal(R"([{"logits": [1, 2]}])") ==
        "standard input: item 0: target: nothing is not a whole number from 0 to 1");
  CHECK(refusal(R"([{"logits": [], "target": 0}])") ==
        "standard input: item 0: logits: an array of one or more numbers is needed");
  CHECK(refusal(R"([{"logits": [1, "x"], "target": 0}])") == "standard input: item 0: logits: \"x\" is no number");
  CHECK(refusal(R"([{"logits": [1, 2], "target": 0, "eps": -1}])") ==
        "standard input: item 0: eps: -1 is not from 0 to 10");
  CHECK(contains(refusal(R"([{"logits": [1, 2], "target": 0, "eps": 1e-400}])"), "standard input: 1e-400 is not zero"));
  CHECK(refusal(R"([{"logits": [1, 2], "targets": 0}])") ==
        "standard input: item 0: targets: unknown key; keys are logits, target and eps (did you mean target?)");
  CHECK(refusal(R"([{"logits": "NaN", "target": 0}])") ==
        "standard input: item 0: logits: an array of one or more numbers is needed");
}

TEST_CASE("on request each answer has what L-BFGS finds, as a part of the exact rise") {
  const std::string item =
      R"([{"logits": [1.0, -2.0, 0.5, 3.0], "target": 1, "eps": 0.01}, {"logits": [2.0], "target": 0},
                              {"logits": [NaN, 1.0], "target": 1}])";
  const Json answers = Json::parse(answer_logits(item, {true, 0, 0}));
  const Json& found = answers[0]["lbfgs"];
  CHECK(found["rise"].get<double>() > 0);
  CHECK(found["rise"].get<double>() <= answers[0]["rise"].get<double>() * (1 + 1e-12));  // rounding
  CHECK(found["fraction"].get<double>() ==
        Approx(found["sharpness"].get<double>() / answers[0]["sharpness"].get<double>()).epsilon(1e-12));
  CHECK(found["evaluations"].get<int>() <= 11);
  CHECK(answers[1]["lbfgs"]["sharpness"] == 0.0);
  CHECK(answers[1]["lbfgs"]["fraction"].is_null());
  CHECK(answers[2]["lbfgs"]["sharpness"].is_null());
  CHECK_FALSE(Json::parse(answer_logits(item))[0].contains("lbfgs"));
  const Json subspace = Json::parse(answer_logits(item.substr(0, item.find("}")) + "}]", {true, 2, 7}))[0]["lbfgs"];
  CHECK(subspace["rise"].get<double>() > 0);
  CHECK(subspace["fraction"].is_null());
  CHECK_THROWS_WITH(answer_logits(item, {true, 3, 0}), Catch::Contains("item 1") && Catch::Contains("dimension 3"));
}
