// SPDX-License-Identifier: Apache-2.0
// The parts of what `precipice stats` answers (stats_answer.h), each in a file of its own, and what they share: groups
// have names, and every pair of them is compared and adjusted for the number of pairs.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "experiments/statistics/stats_input.h"
#include "experiments/statistics/summaries.h"
#include "precision/base/special_numbers.h"

namespace precipice {

inline constexpr double kLargestNumber = std::numeric_limits<double>::max();

struct StatsRequest {
  double confidence = kConfidence;
  std::uint64_t seed = 0;
  BootstrapOptions bootstrap() const { return {seed, confidence}; }
};

// What is asked of a part, answered. Each throws DataError as answer_statistics() does.
Json answer_counts(const StatsInput& part, const StatsRequest& request);
Json answer_survival(const StatsInput& part, const StatsRequest& request);
Json answer_values(const StatsInput& part, const StatsRequest& request);
Json answer_scores(const StatsInput& part, const StatsRequest& request);
Json answer_lr_sensitivity(const StatsInput& part, const StatsRequest& request);
Json answer_power(const StatsInput& part, const StatsRequest& request);
Json answer_p_values(const StatsInput& part, const StatsRequest& request);

// An answer for a group, under its name.
template <class Answer>
struct NamedAnswer {
  std::string name;
  Answer answer;
};

// A comparison of two groups.
template <class Answer>
struct PairAnswer {
  std::string a, b;
  Answer answer;
  double holm_p;
};

template <class Group, class Pair>
struct GroupAnswers {
  std::vector<NamedAnswer<Group>> groups;
  std::vector<PairAnswer<Pair>> pairs;
};

template <class Answer, class Visit>
void visit_fields(const NamedAnswer<Answer>& group, const Visit& visit) {
  visit("name", group.name);
  visit_fields(group.answer, visit);
}

template <class Answer, class Visit>
void visit_fields(const PairAnswer<Answer>& pair, const Visit& visit) {
  visit("a", pair.a);
  visit("b", pair.b);
  visit_fields(pair.answer, visit);
  visit("holm_p", pair.holm_p);
}

template <class Group, class Pair, class Visit>
void visit_fields(const GroupAnswers<Group, Pair>& part, const Visit& visit) {
  visit("groups", part.groups);
  visit("pairs", part.pairs);
}

// A name for every group; the answers refer to them.
std::vector<std::string> names_of(const std::vector<StatsInput>& groups, const StatsInput& part);

// compare(a, b) of every pair of groups, by their places, adjusted for their number.
template <class Compare>
auto all_pairs(const std::vector<std::string>& names, const Compare& compare_groups) {
  using Answer = decltype(compare_groups(0, 0));
  std::vector<PairAnswer<Answer>> pairs;
  for (std::size_t a = 0; a < names.size(); ++a)
    for (std::size_t b = a + 1; b < names.size(); ++b)
      pairs.push_back({names[a], names[b], compare_groups(a, b), kNaN});
  adjust_by_holm(pairs, [](const PairAnswer<Answer>& pair) {
    if constexpr (requires { pair.answer.p; })
      return pair.answer.p;
    else
      return pair.answer.test.p;
  });
  return pairs;
}

}  // namespace precipice
