// SPDX-License-Identifier: Apache-2.0
// `stats --json`: the documentation's own examples, and input that cannot be used.
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "experiments/statistics/stats_answer.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/paths.h"

using namespace precipice;
using Json = nlohmann::json;

namespace {

// Blocks ```json of a Markdown text whose fence line goes on with `mark`.
std::vector<Json> blocks(const std::string& text, const std::string& mark) {
  std::vector<Json> found;
  const std::string fence = "```json " + mark + "\n";
  for (std::size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at + 1)) {
    const std::size_t start = at + fence.size();
    found.push_back(Json::parse(text.substr(start, text.find("```", start) - start)));
  }
  return found;
}

// Everything in `part` is in `whole`; numbers as far as four decimals show them.
void check_part(const Json& part, const Json& whole) {
  INFO("documented " << part.dump() << ", answered " << whole.dump());
  if (part.is_object()) {
    for (const auto& [key, value] : part.items()) {
      REQUIRE(whole.contains(key));
      check_part(value, whole[key]);
    }
  } else if (part.is_array()) {
    REQUIRE(whole.size() == part.size());
    for (std::size_t i = 0; i < part.size(); ++i) check_part(part[i], whole[i]);
  } else if (part.is_number()) {
    REQUIRE(whole.is_number());
    CHECK(std::abs(part.get<double>() - whole.get<double>()) <= 0.50001e-4);
  } else {
    CHECK(part == whole);
  }
}

}  // namespace

TEST_CASE("every example of docs/METRICS.md is answered as it says") {
  const std::string text = text_of(source_directory() + "/docs/METRICS.md");
  const std::vector<Json> asked = blocks(text, "in"), answered = blocks(text, "out");
  REQUIRE(asked.size() == answered.size());
  REQUIRE(asked.size() >= 5);
  for (std::size_t i = 0; i < asked.size(); ++i)
    check_part(answered[i], Json::parse(answer_statistics(asked[i].dump())));
}

TEST_CASE("input that cannot be used is refused with its place, its value and what is allowed") {
  const std::vector<std::pair<std::string, std::string>> refused{
      {"", "no JSON"},
      {"{\"counts\": [", "no JSON"},
      {"[1]", "must be a JSON object"},
      {R"({"count": []})", "count: unknown key, did you mean counts?"},
      {R"({"counts": {}})", "counts = {}: must be a list"},
      {R"({"counts": [{"events": 1}]})", "trials is missing"},
      {R"({"counts": [{"events": 9, "trials": 8}]})", "counts[0].events = 9: must be a whole number from 0 to 8"},
      {R"({"counts": [{"events": 1.5, "trials": 8}]})", "counts[0].events = 1.5"},
      {R"({"counts": [{"events": -1, "trials": 8}]})", "counts[0].events = -1"},
      {R"({"counts": [{"events": 1, "trials": 18446744073709551615}]})", "counts[0].trials"},
      {R"({"counts": [{"event": 1, "trials": 8}]})", "counts[0].event: unknown key, did you mean events?"},
      {R"({"survival": [{"times": [1, 2], "events": [1]}]})", "must have one entry per time"},
      {R"({"values": [{"values": [1, 2], "seeds": [0]}]})", "values[0].seeds = [0]: must have one entry per member"},
      {R"({"values": [{"values": [1, 2], "seeds": [3, 3]}]})", "values[0].seeds = [3,3]: each seed once"},
      {R"({"values": [{"values": [1], "seeds": ["a"]}]})", "values[0].seeds[0] = \"a\": must be a whole number"},
      {R"({"counts": [{"events": 1, "trials": 2, "seeds": [0, 1]}]})", "goes with a list of events"},
      {R"({"counts": [{"events": [1, 0], "trials": 2}]})", "a list of events has as many as it has entries"},
      {R"({"counts": [{"events": [2]}]})", "counts[0].events[0] = 2: must be true, false, 1 or 0"},
      {R"({"survival": [{"times": [-1], "events": [1]}]})", "survival[0].times[0] = -1"},
      {R"({"survival": [{"times": [1], "events": [2]}]})", "survival[0].events[0] = 2: must be true, false, 1 or 0"},
      {R"({"values": [{"values": ["nan"]}]})", "values[0].values[0] = \"nan\": must be a number"},
      {R"({"values": [{"values": [null]}]})", "values[0].values[0] = null"},
      {R"({"scores": [{"cases": [1]}]})", "controls is missing"},
      {R"({"power": [{"p": 2, "q": 0.1}]})", "power[0].p = 2: must be a number from 0 to 1"},
      {R"({"power": [{"p": 0.2, "q": 0.1, "effect": 1}]})", "either p and q, or effect"},
      {R"({"confidence": 1})", "confidence = 1"},
      {R"({"p_values": [1.5]})", "p_values[0] = 1.5"},
      {R"({"p_values": [1e-400]})", "1e-400 is not zero"},
      {R"({"values": [{"values": [-0.01E-999, 1]}]})", "-0.01E-999 is not zero"},
  };
  for (const auto& [text, message] : refused) {
    INFO(text);
    CHECK_THROWS_AS(answer_statistics(text), DataError);
    CHECK_THROWS_WITH(answer_statistics(text), Catch::Contains(message) && Catch::Contains("standard input"));
  }
}

TEST_CASE("groups are compared by their pairs where seeds match, and as they are where none do") {
  const auto pair_of = [](const std::string& a, const std::string& b) {
    return Json::parse(answer_statistics(R"({"values": [{"values": [3, 1, 7], "seeds": )" + a +
                                         R"(}, {"values": [1, 2, 9], "seeds": )" + b + "}]}"))["values"]["pairs"][0];
  };
  // Seeds 1 and 2 have both: 1 - 1 and 3 - 2.
  CHECK(pair_of("[2, 1, 5]", "[1, 2, 4]")["test"] == "paired t");
  CHECK(pair_of("[2, 1, 5]", "[1, 2, 4]")["pairs"] == 2);
  CHECK(pair_of("[2, 1, 5]", "[1, 2, 4]")["mean_difference"] == Approx(0.5));
  CHECK(pair_of("[0, 1, 2]", "[5, 6, 7]")["test"] == "Mann-Whitney");
  CHECK(pair_of("[0, 1, 2]", "[0, 6, 7]")["test"] == "Mann-Whitney");  // one pair of three says nothing
}

TEST_CASE("what cannot be computed is null with a reason") {
  const Json answer = Json::parse(answer_statistics(R"({
    "counts": [{"events": 0, "trials": 0}], "survival": [{"times": [], "events": []}], "values": [{"values": [1]}],
    "scores": [{"cases": [1], "controls": []}], "lr_sensitivity": [{"losses": [], "initial_loss": 4}],
    "power": [{"p": 0.1, "q": 0.1}]})"));
  CHECK(answer["counts"]["groups"][0]["fraction"].is_null());
  CHECK(answer["counts"]["groups"][0]["reason"] == "no trials");
  CHECK(answer["survival"]["groups"][0]["median"].is_null());
  CHECK(answer["survival"]["all"]["reason"] == "one group: there is none to compare it with");
  CHECK(contains(answer["values"]["groups"][0]["reason"], "n too small"));
  CHECK(answer["scores"]["groups"][0]["auc"].is_null());
  CHECK(contains(answer["scores"]["groups"][0]["reason"], "n too small"));
  CHECK(answer["lr_sensitivity"][0]["reason"] == "no losses");
  CHECK(answer["power"][0]["seeds"].is_null());
}

namespace {

bool has_null(const Json& json) {
  return json.is_null() ||
         (json.is_array() && std::any_of(json.begin(), json.end(), [](const Json& e) { return e.is_null(); }));
}

// Wherever an object holds a null, it says why.
void check_reasons(const Json& json) {
  if (json.is_object() && std::any_of(json.begin(), json.end(), has_null)) {
    INFO(json.dump());
    CHECK(json.value("reason", "") != "");
  }
  if (json.is_structured())
    for (const Json& element : json) check_reasons(element);
}

// A few values, of which many are infinite or equal.
Json few_values(std::uint32_t& state) {
  Json values = Json::array();
  const auto draw = [&](std::uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
  };
  for (std::uint32_t i = draw(5); i > 0; --i) {
    const std::uint32_t kind = draw(5);
    values.push_back(kind == 0 ? Json("inf") : kind == 1 ? Json("-inf") : Json(draw(3)));
  }
  return values;
}

}  // namespace

TEST_CASE("a null has a reason beside it, wherever infinities meet, groups are empty or values agree") {
  std::uint32_t state = 5;
  for (int i = 0; i < 60; ++i) {
    Json request{{"counts", Json::array()},
                 {"survival", Json::array()},
                 {"values", Json::array()},
                 {"scores", Json::array()},
                 {"lr_sensitivity", Json::array()}};
    for (int group = 0; group < i % 4; ++group) {
      const std::size_t n = few_values(state).size(), events = n == 0 ? 0 : few_values(state).size() % (n + 1);
      request["counts"].push_back({{"events", events}, {"trials", n}});
      Json times = Json::array(), ended = Json::array();
      for (std::size_t k = 0; k < n; ++k) times.push_back(k / 2), ended.push_back(k < events);
      request["survival"].push_back({{"times", times}, {"events", ended}});
      request["values"].push_back({{"values", few_values(state)}});
      request["scores"].push_back({{"cases", few_values(state)}, {"controls", few_values(state)}});
      request["lr_sensitivity"].push_back({{"losses", few_values(state)}, {"initial_loss", 2}});
    }
    CAPTURE(request.dump());
    check_reasons(Json::parse(answer_statistics(request.dump())));
  }
}

TEST_CASE("every interval follows the confidence that is asked for") {
  const std::string request = R"({"confidence": LEVEL,
    "counts": [{"events": 3, "trials": 9}, {"events": 1, "trials": 8}],
    "survival": [{"times": [3, 5, 8, 9], "events": [0, 1, 1, 0]}],
    "values": [{"values": [3.7, 5.1, 4.2, 7.3, 6.0]}, {"values": [1, 2, 4, 3, 2.5]}],
    "scores": [{"cases": [3.1, 2.4, 1.9, 2.8], "controls": [1.2, 2.0, 1.1, 1.5, 0.9]},
               {"cases": [1.3, 0.8, 1.6, 1.1], "controls": [0.7, 1.2, 0.9, 1.4, 0.6]},
               {"cases": [1, 1, 1, 1], "controls": [1, 1, 1, 1, 1]}]})";
  const auto widths = [&](const std::string& level) {
    std::string text = request;
    text.replace(text.find("LEVEL"), 5, level);
    const Json answer = Json::parse(answer_statistics(text));
    std::vector<double> found;
    const auto add = [&](const Json& interval) {
      found.push_back(interval[1].get<double>() - interval[0].get<double>());
    };
    for (const char* kind : {"wilson", "jeffreys"}) add(answer["counts"]["groups"][0][kind]);
    add(answer["counts"]["pairs"][0]["newcombe"]);
    for (const Json& point : answer["survival"]["groups"][0]["curve"]) add(point["interval"]);
    for (const Json& group : answer["values"]["groups"]) add(group["bootstrap"]);
    add(answer["values"]["pairs"][0]["bootstrap"]);
    for (const Json& group : answer["scores"]["groups"]) add(group["interval"]);
    add(answer["scores"]["pairs"][0]["interval"]);
    return found;
  };
  const std::vector<double> narrow = widths("0.5"), wide = widths("0.99");
  for (std::size_t i = 0; i < narrow.size(); ++i) {
    INFO("interval " << i);
    CHECK(narrow[i] > 0);
    CHECK(narrow[i] < wide[i]);
  }
}

TEST_CASE("resamples that were dropped from a bootstrap are counted in the answer") {
  const Json answer =
      Json::parse(answer_statistics(R"({"values": [{"values": ["inf", "-inf", 1]}, {"values": [1, 2]}]})"));
  const Json& group = answer["values"]["groups"][0];
  CHECK(group["mean"].is_null());
  CHECK(group["reason"] == "inf and -inf meet in the mean");
  CHECK(group["resamples"] == 10000);
  // 12 of the 27 draws of three hold both infinities.
  CHECK(std::abs(group["resamples_dropped"].get<double>() - 10000.0 * 12 / 27) < 250);
  CHECK(answer["values"]["groups"][1]["resamples_dropped"] == 0);
}

TEST_CASE("no mutation of a valid request does more than fail with one line") {
  const std::string valid =
      R"({"counts":[{"name":"a","events":1,"trials":8}],"values":[{"values":[1,2,"inf"]}],"seed":3})";
  std::uint32_t state = 1;
  for (int i = 0; i < 3000; ++i) {
    std::string text = valid;
    for (int k = 0; k < 2; ++k) {
      state = state * 1664525 + 1013904223;
      text[(state >> 8) % text.size()] = static_cast<char>(state >> 24);
    }
    try {
      answer_statistics(text);
    } catch (const DataError& error) {
      CHECK(contains(error.what(), "standard input"));
    }
  }
}
