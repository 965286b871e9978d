// SPDX-License-Identifier: Apache-2.0
// Claims as they are written: every key, every mistake with its line and what is allowed.
#include "experiments/claims/claim.h"

#include <fstream>

#include "experiments/claims/claims_report.h"
#include "precision/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"

using namespace precipice;

namespace {

// A claim that is right, with lines put in place of others or added.
std::string claim_text(const std::string& extra = "", const std::string& without = "") {
  const std::vector<std::pair<std::string, std::string>> lines{
      {"id", "id = \"ladder\""},
      {"source", "source = \"arXiv 2405.18710\""},
      {"says", "says = \"fewer bits train worse\""},
      {"metric", "metric = \"final_loss\""},
      {"compare", "compare = [\"e8m3\", \"bf16\"]"},
      {"at", "at = {\"optimizer.lr\" = 1e-3}"},
      {"direction", "direction = \"higher\""},
      {"margin", "margin = 0.005"},
      {"n", "n = 8"},
      {"literal", "literal = true"},
  };
  std::string text = "[[claim]]\n";
  for (const auto& [key, line] : lines)
    if ((" " + without).find(" " + key + " ") == std::string::npos) text += line + "\n";
  return text + extra + "\n";
}

std::string refusal(const std::string& text) {
  try {
    parse_claims(text, "s.toml");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a claim is read with its defaults") {
  const Claim claim = parse_claims(claim_text(), "s.toml").at(0);
  CHECK(claim.id == "ladder");
  CHECK(claim.kind == ClaimMetric::FinalLoss);
  CHECK(claim.first == "e8m3");
  CHECK(claim.at.at("optimizer.lr") == "0.001");
  CHECK(claim.test == ClaimTest::PairedT);
  CHECK(claim.family == "ladder");  // alone
  CHECK(claim.alpha == 0.05);
  CHECK_FALSE(claim.sequential);
  CHECK(claim.accelerated.empty());
  CHECK(claim.line == 1);
  CHECK(parse_claims("[train]\nsteps = 3\n", "s.toml").empty());
}

TEST_CASE("metrics carry their rule, series and steps") {
  const auto with = [](const std::string& metric, const std::string& extra = "",
                       const std::string& without = "metric margin ") {
    return parse_claims(claim_text("metric = \"" + metric + "\"\n" + extra, without), "s.toml").at(0);
  };
  CHECK(with("jumps").rule == "jump");
  CHECK(with("jumps").test == ClaimTest::RateRatio);
  CHECK(with("spikes:olmo-core").rule == "olmo-core");
  CHECK(with("diverged").test == ClaimTest::McNemar);
  const Claim series = with("series:sharpness/all_tokens@100:300");
  CHECK(series.series.group == "sharpness");
  CHECK(series.series.name == "all_tokens");
  CHECK(series.from == 100);
  CHECK(series.to == 300);
  const Claim departure = with("first_departure:sharpness/all_tokens<metrics/train_loss",
                               "window = 20\nbands = [0.8, 1.2, 0.9, 1.1]", "metric margin direction ");
  CHECK(departure.other_series.name == "train_loss");
  CHECK(departure.window == 20);
  CHECK((departure.other_band == Interval{0.9, 1.1}));
  CHECK(with("identical", "", "metric margin direction ").test == ClaimTest::Bits);
}

TEST_CASE("a margin may be a percentage, and an equivalence is decided by two one-sided tests") {
  const Claim claim =
      parse_claims(claim_text("direction = \"equivalent\"\nmargin = \"0.25 %\"", "direction margin "), "s.toml").at(0);
  CHECK(claim.margin_is_relative);
  CHECK(claim.margin == Approx(0.0025));
  CHECK(claim.test == ClaimTest::Tost);
}

TEST_CASE("what is wrong with a claim is said with its line, key and what is allowed") {
  CHECK(contains(refusal(claim_text("margins = 1")), "did you mean margin?"));
  CHECK(contains(refusal(claim_text("margins = 1")), "s.toml:12"));
  CHECK(contains(refusal(claim_text("", "n ")), "claim.n"));
  CHECK(contains(refusal(claim_text("", "direction ")), "claim.direction"));
  CHECK(contains(refusal(claim_text("direction = \"equivalent\"", "direction margin ")), "needs one"));
  CHECK(contains(refusal(claim_text("direction = \"up\"", "direction ")), "higher, lower, equivalent"));
  CHECK(contains(refusal(claim_text("metric = \"spikes:jumps\"", "metric margin ")), "olmo-core"));
  CHECK(contains(refusal(claim_text("metric = \"loss\"", "metric margin ")), "final_loss"));
  CHECK(contains(refusal(claim_text("metric = \"series:sharpness@1:2\"", "metric ")), "GROUP/NAME"));
  CHECK(contains(refusal(claim_text("metric = \"series:a/b@9:2\"", "metric ")), "end after it begins"));
  CHECK(contains(refusal(claim_text("metric = \"diverged\"", "metric ")), "must be 0"));
  CHECK(contains(refusal(claim_text("test = \"mcnemar\"")), "allowed: paired-t, signed-rank, sign"));
  CHECK(contains(refusal(claim_text("accelerated = \"rate\"")), "one of both"));
  CHECK(contains(refusal(claim_text("", "literal ")), "one of both"));
  CHECK(contains(refusal(claim_text("compare = [\"bf16\", \"bf16\"]", "compare ")), "twice"));
  CHECK(contains(refusal(claim_text("n = 1", "n ")), "from 2"));
  CHECK(contains(refusal(claim_text("id = \"two words\"", "id ")), "one word"));
  CHECK(contains(refusal(claim_text("margin = \"much\"", "margin ")), "percentage"));
  CHECK(contains(refusal(claim_text() + claim_text()), "names two claims"));
  CHECK(
      contains(refusal(claim_text("family = \"f\"") + claim_text("family = \"f\"\nalpha = 0.1\nid = \"other\"", "id ")),
               "one alpha"));
  CHECK(contains(refusal("claim = 3"), "[[claim]] tables"));
  CHECK(contains(refusal("[[claim]\n"), "not TOML"));
}

TEST_CASE("a claim's text does not depend on the order of its keys and comments, and does on every value") {
  const Claim one = parse_claims(claim_text("alpha = 0.05"), "a.toml").at(0);
  const Claim two = parse_claims(claim_text("# a comment\nid = \"ladder\"\nalpha = 0.05", "id "), "b.toml").at(0);
  CHECK(one.text == two.text);
  CHECK(one.text != parse_claims(claim_text("alpha = 0.01"), "a.toml").at(0).text);
  // The text is TOML of the same claim.
  CHECK(parse_claims("[[claim]]\n" + one.text, "c.toml").at(0).text == one.text);
}

TEST_CASE("what a paper reports is quoted in the claim's text and is no part of the prediction") {
  const Claim plain = parse_claims(claim_text(), "a.toml").at(0),
              quoting = parse_claims(claim_text("paper = \"E8M3 diverges in 3 of 4\""), "a.toml").at(0);
  CHECK(plain.paper.empty());
  CHECK(quoting.paper == "E8M3 diverges in 3 of 4");
  CHECK(contains(quoting.text, "3 of 4"));
  CHECK(quoting.prediction == plain.prediction);
  CHECK(plain.prediction == plain.text);
  CHECK(parse_claims("[[claim]]\n" + quoting.text, "b.toml").at(0).paper == quoting.paper);
  CHECK(contains(refusal(claim_text("paper = 3")), "claim.paper"));
  CHECK(contains(refusal(claim_text("paper = \"\"")), "claim.paper"));
  CHECK(contains(refusal(claim_text("paper = \"" + std::string(201, 'a') + "\"")), "at most 200"));
}

TEST_CASE("a written claim's place is named by config keys, which the label of linked keys is not") {
  const TemporaryDirectory place;
  const auto refusal_of = [&](const std::string& at) {
    const std::string path = (place.path() / "s.toml").string();
    std::ofstream(path) << "[sweep]\nphase = [{label = \"early\", \"train.steps\" = 10, \"optimizer.lr\" = 1e-3},\n"
                           "  {label = \"late\", \"train.steps\" = 20, \"optimizer.lr\" = 1e-4}]\n"
                        << claim_text("at = " + at, "at ");
    try {
      read_claims(path);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("read");
  };
  CHECK(refusal_of("{\"train.steps\" = \"early\"}") == "read");
  const std::string linked = refusal_of("{\"phase\" = \"early\"}");
  CHECK(contains(linked, "s.toml:4: claim.at = phase"));
  CHECK(contains(linked, "under this name are optimizer.lr, train.steps"));
  CHECK(contains(refusal_of("{\"optimiser.lr\" = 1e-3}"), "did you mean optimizer.lr?"));
  // What a directory has registered is judged, and said to be without such an axis.
  CHECK_NOTHROW(parse_claims(claim_text("at = {\"phase\" = \"early\"}", "at "), "claims.toml"));
}

TEST_CASE("a plan names the claims that its runs cannot judge, and why") {
  const Sweep sweep = make_labelled_sweep(
      parse_sweep_settings("[sweep]\n\"precision.recipe\" = [\"bf16\", \"e8m3\"]\nseed = [0, 1]\n", "s.toml"), {});
  const SweepData planned = planned_sweep_data(sweep, expand_sweep(sweep));
  const auto problem = [&](const std::string& extra, const std::string& without) {
    const auto lines = unjudgeable_claims(planned, parse_claims(claim_text(extra, without), "s.toml"));
    return lines.empty() ? std::string() : lines.front();
  };
  CHECK(problem("n = 2", "n at ") == "");
  CHECK(contains(problem("n = 3", "n at "), "claim ladder cannot be judged by these runs: n = 3, and the sweep has 2"));
  CHECK(contains(problem("n = 2", "n "), "optimizer.lr, which the sweep does not vary"));
  CHECK(contains(problem("n = 2\ncompare = [\"e8m1\", \"bf16\"]", "n at compare "), "no axis has both e8m1 and bf16"));
}

TEST_CASE("a plan names the claims that its seeds cannot decide, and how many could") {
  std::string file;
  for (int i = 0; i < 13; ++i)
    file += claim_text("id = \"c" + std::to_string(i) + "\"\nfamily = \"all\"\ntest = \"sign\"", "id ");
  const std::vector<std::string> lines = undecidable_claims(parse_claims(file, "s.toml"));
  REQUIRE(lines.size() == 13);
  // 2^(1 - 9) = 0.0039 is above 0.05 / 13 = 0.00385; 10 pairs can.
  CHECK(contains(lines.front(), "10 pairs that differ could"));
  CHECK(undecidable_claims(parse_claims(claim_text(), "s.toml")).empty());  // a t test has no such floor
}
