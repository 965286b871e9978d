// SPDX-License-Identifier: Apache-2.0
#include "experiments/stability/logit_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "experiments/console/json_fields.h"
#include "experiments/console/json_numbers.h"
#include "metrics/logits/logit_ascent.h"
#include "precision/base/check.h"
#include "precision/base/special_numbers.h"

namespace precipice {
namespace {

constexpr double kDefaultEpsilon = 1e-3;

// Bare NaN, Infinity and -Infinity, which JSON does not have, become the strings that JSON does.
std::string quote_non_finite(const std::string& json) {
  struct Word {
    std::string_view from, to;
  };
  static constexpr Word kWords[] = {{"-Infinity", "\"-inf\""}, {"Infinity", "\"inf\""}, {"NaN", "\"nan\""}};
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size();) {
    if (in_string && json[i] == '\\' && i + 1 < json.size()) {
      out += json.substr(i, 2);
      i += 2;
      continue;
    }
    if (json[i] == '"') in_string = !in_string;
    const auto word = std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& w) {
      return !in_string && json.compare(i, w.from.size(), w.from) == 0;
    });
    if (word != std::end(kWords)) {
      out += word->to;
      i += word->from.size();
    } else {
      out += json[i++];
    }
  }
  return out;
}

class Item {
 public:
  Item(const Json& json, std::size_t index) : json_(json), index_(index) {
    if (!json.is_object()) refuse("", "an object {\"logits\": [...], \"target\": i, \"eps\": e} is needed");
    static const std::vector<std::string> kKeys = {"logits", "target", "eps"};
    for (const auto& [key, value] : json.items()) {
      if (std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end()) continue;
      const std::string near = nearest_word(key, kKeys);
      refuse(key.substr(0, 40), "unknown key; keys are logits, target and eps" +
                                    (near.empty() ? "" : fmt::format(" (did you mean {}?)", near)));
    }
    read();
  }

  Json answer(const LogitQuestions& questions) const {
    const LogitSharpness s = logit_sharpness(std::span<const double>(logits_), target_, epsilon_);
    Json out;
    out["loss"] = finite_or_null(s.loss);
    out["rise"] = finite_or_null(s.rise);
    out["sharpness"] = finite_or_null(s.sharpness);
    if (const std::string why = reason(); !why.empty()) out["reason"] = why;
    if (questions.lbfgs) out["lbfgs"] = ascent(s, questions);
    return out;
  }

 private:
  Json ascent(const LogitSharpness& exact, const LogitQuestions& questions) const {
    const auto size = static_cast<std::int64_t>(logits_.size());
    if (questions.subspace > size)
      refuse("logits", fmt::format("{} of them have no subspace of dimension {}", size, questions.subspace));
    std::optional<RandomSubspace> subspace;
    if (questions.subspace > 0) subspace = logit_subspace(size, questions.subspace, questions.seed);
    const LogitAscent found =
        ascend_logits(std::span<const double>(logits_), target_, epsilon_, subspace ? &*subspace : nullptr);
    const double fraction = subspace || !(exact.rise > 0) ? kNaN : found.found.rise / exact.rise;
    return {{"rise", finite_or_null(found.found.rise)},
            {"sharpness", finite_or_null(found.found.sharpness)},
            {"fraction", finite_or_null(fraction)},
            {"evaluations", found.evaluations}};
  }

  [[noreturn]] void refuse(const std::string& key, const std::string& problem) const {
    throw DataError(fmt::format("standard input: item {}{}: {}", index_, key.empty() ? "" : ": " + key, problem));
  }

  double number(const Json& value, const std::string& key) const {
    if (value.is_number()) return value.get<double>();
    if (value.is_null()) return kNaN;
    if (value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      if (text == "nan") return kNaN;
      if (text == "inf") return kInfinity;
      if (text == "-inf") return -kInfinity;
    }
    refuse(key, value.dump().substr(0, 40) + " is no number");
  }

  void read() {
    if (!json_.contains("logits") || !json_["logits"].is_array() || json_["logits"].empty())
      refuse("logits", "an array of one or more numbers is needed");
    for (const Json& value : json_["logits"]) logits_.push_back(number(value, "logits"));
    const auto target = json_.find("target");
    if (target == json_.end() || !target->is_number_integer() || *target < 0 || *target >= logits_.size())
      refuse("target",
             fmt::format("{} is not a whole number from 0 to {}",
                         target == json_.end() ? "nothing" : target->dump().substr(0, 40), logits_.size() - 1));
    target_ = target->get<std::int64_t>();
    if (json_.contains("eps")) epsilon_ = number(json_["eps"], "eps");
    if (!(epsilon_ >= 0 && epsilon_ <= 10)) refuse("eps", json_["eps"].dump().substr(0, 40) + " is not from 0 to 10");
  }

  std::string reason() const {
    const auto any = [&](auto&& is) { return std::any_of(logits_.begin(), logits_.end(), is); };
    if (any([](double z) { return std::isnan(z); })) return "a logit is NaN";
    if (any([](double z) { return z == kInfinity; })) return "a logit is +inf";
    if (logits_[static_cast<std::size_t>(target_)] == -kInfinity) return "the target's logit is -inf";
    if (logits_.size() == 1) return "one logit: its probability is 1 and nothing can rise";
    for (std::size_t i = 0; i < logits_.size(); ++i)
      if (i != static_cast<std::size_t>(target_) && logits_[i] != -kInfinity) return "";
    return "all other logits are -inf: nothing can rise";
  }

  const Json& json_;
  std::size_t index_;
  std::vector<double> logits_;
  std::int64_t target_ = 0;
  double epsilon_ = kDefaultEpsilon;
};

}  // namespace

std::string answer_logits(const std::string& json, const LogitQuestions& questions) {
  Json items;
  try {
    items = parse_json_input(quote_non_finite(json));
  } catch (const Json::parse_error& error) {
    throw DataError(fmt::format("standard input: not JSON at byte {}", error.byte));
  }
  if (!items.is_array())
    throw DataError("standard input: an array of {\"logits\": [...], \"target\": i, \"eps\": e} is needed");
  Json answers = Json::array();
  for (std::size_t i = 0; i < items.size(); ++i) answers.push_back(Item(items[i], i).answer(questions));
  return answers.dump() + "\n";
}

}  // namespace precipice
