// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/comparison_words.h"

#include <fmt/format.h>

#include <cmath>

#include "experiments/statistics/sweep_statistics_text.h"

namespace precipice {
namespace {

constexpr const char* kTooFew = "n too small";
constexpr const char* kNothing = "nothing can be said";
constexpr const char* kOpen = "undecided";
constexpr const char* kNoSeeds = "no seeds match, so the runs are compared as two groups";

// Runs that ended without diverging and are no success either: " (untrained: 3 and 0)", or "" where there are none.
std::string apart_text(const FormatComparison& pair) {
  std::string text;
  for (const auto& [state, counts] : {std::pair("untrained", &pair.untrained), {"skipped", &pair.skipped}})
    if ((*counts)[0] != 0 || (*counts)[1] != 0)
      text += fmt::format("{}{}: {} and {}", text.empty() ? "" : "; ", state, (*counts)[0], (*counts)[1]);
  return text.empty() ? "" : " (" + text + ")";
}

std::string word_of(const FormatComparison& pair) {
  if (!std::isfinite(pair.holm_p)) return kNothing;
  if (pair.holm_p > 0.05) return kOpen;
  return std::isfinite(pair.effect) && pair.effect < 0 ? "lower" : "higher";
}

std::string percent_of(double confidence) {
  return fmt::format("{:.3g} %", 100 * confidence);
}

std::string range_of(const Interval& interval, const char* format) {
  return fmt::format("{} to {}", number_text(interval.low, format), number_text(interval.high, format));
}

std::string at_rate(const FormatComparison& pair) {
  return fmt::format("At learning rate {}, ", rate_text(pair.learning_rate));
}

std::string p_words(const FormatComparison& pair) {
  return fmt::format("p = {}, {} after Holm: {}", p_text(pair.p), p_text(pair.holm_p), pair.verdict);
}

void add_paired_sentence(OutcomeComparison& pair, const std::string& head) {
  const PairedCounts& counts = *pair.counts;
  const std::string which =
      counts.only_first + counts.only_second == 0
          ? "no pair differs"
          : fmt::format("in {} only it, in {} only {}", counts.only_first, counts.only_second, pair.reference);
  pair.sentence =
      fmt::format("{}; of {} pairs of one seed {}: McNemar, exact, {}.", head, pair.pairs, which, p_words(pair));
}

void add_group_sentence(OutcomeComparison& pair, const std::string& head) {
  const auto points = [](double fraction) { return fmt::format("{:+.1f}", 100 * fraction); };
  pair.sentence = fmt::format("{}: difference {} points ({} interval {} to {}, Newcombe; {}), Fisher {}.", head,
                              points(pair.effect), percent_of(pair.confidence), points(pair.interval.low),
                              points(pair.interval.high), kNoSeeds, p_words(pair));
}

std::string beside_text(const PairedValues& pair) {
  std::string text = fmt::format("beside it: higher in {} of {} pairs, sign p = {}, signed-rank p = {}",
                                 pair.sign.positive, pair.pairs, p_text(pair.sign.p), p_text(pair.signed_rank.p));
  if (std::isfinite(pair.shift.interval.low) && std::isfinite(pair.shift.interval.high))
    text += fmt::format(", Hodges-Lehmann {:+.4f} ({})", pair.shift.estimate, range_of(pair.shift.interval, "{:+.4f}"));
  return text;
}

std::string dropped_text(const PairedValues& pair) {
  return pair.dropped == 0
             ? ""
             : fmt::format("{} pair{} left out, a run having diverged", pair.dropped, pair.dropped == 1 ? "" : "s");
}

void add_paired_words(LossComparison& pair) {
  const PairedValues& values = *pair.pairwise;
  const std::string left_out = dropped_text(values);
  const auto used = values.pairs - values.dropped;
  if (used < 2) {
    pair.verdict = kTooFew;
    pair.reason = left_out.empty() ? fmt::format("{} pairs of one seed", used) : left_out;
    pair.sentence = fmt::format(
        "{}{} and {} have {} pair{} of final losses on the same seed{}: n too small to compare.", at_rate(pair),
        pair.format, pair.reference, used, used == 1 ? "" : "s", left_out.empty() ? "" : " (" + left_out + ")");
    return;
  }
  pair.verdict = word_of(pair);
  pair.reason = left_out;
  if (pair.verdict != kOpen && rests_on_survivors(values)) {
    pair.reason = fmt::format("{}; without them it would be {}", left_out, pair.verdict);
    pair.verdict = kOpen;
  }
  if (values.test.is_constant && values.test.mean == 0) {
    pair.verdict = "equal", pair.reason = joined_reasons("the same loss in every seed, digit by digit", left_out);
  } else if (values.test.is_constant) {
    pair.reason = joined_reasons(fmt::format("every seed shifted by exactly {:+.6g}", values.test.mean), pair.reason);
  }
  pair.sentence = fmt::format(
      "{}the final loss of {} is {} nats from that of {} on the same seeds ({} pairs; {} interval {}, paired t{}): {}; "
      "{}.",
      at_rate(pair), pair.format, number_text(pair.effect, "{:+.4f}"), pair.reference, used,
      percent_of(pair.confidence), range_of(pair.interval, "{:+.4f}"), pair.reason.empty() ? "" : "; " + pair.reason,
      p_words(pair), beside_text(values));
}

void add_group_words(LossComparison& pair) {
  if (pair.n[0] < 2 || pair.n[1] < 2) {
    pair.verdict = kTooFew, pair.reason = fmt::format("{} and {} final losses", pair.n[0], pair.n[1]);
    pair.sentence = fmt::format("{}{} has {} and {} has {} final losses: n too small to compare.", at_rate(pair),
                                pair.format, pair.n[0], pair.reference, pair.n[1]);
    return;
  }
  pair.verdict = word_of(pair);
  pair.reason = kNoSeeds;
  pair.sentence = fmt::format(
      "{}the median final loss of {} (n = {}) is {} nats from that of {} (n = {}; {} interval {}, bootstrap by run; "
      "{}); "
      "Mann-Whitney with diverged runs last {}.",
      at_rate(pair), pair.format, pair.n[0], number_text(pair.effect, "{:+.4f}"), pair.reference, pair.n[1],
      percent_of(pair.confidence), range_of(pair.interval, "{:+.4f}"), pair.reason, p_words(pair));
}

}  // namespace

void add_words(OutcomeComparison& pair, const std::string& what, std::size_t comparisons) {
  const std::string head =
      fmt::format("{}{} of {} runs of {} and {} of {} of {} {}{}", at_rate(pair), pair.events[0], pair.n[0],
                  pair.format, pair.events[1], pair.n[1], pair.reference, what, apart_text(pair));
  if (pair.n[0] < 2 || pair.n[1] < 2) {
    pair.verdict = kTooFew, pair.reason = fmt::format("{} and {} runs", pair.n[0], pair.n[1]);
    pair.sentence = head + ": n too small to compare.";
    return;
  }
  pair.verdict = word_of(pair);
  if (pair.verdict == kOpen && pair.events[0] + pair.events[1] == 0)
    pair.reason = "no run " + what;
  else if (pair.verdict == kOpen && pair.paired)
    pair.reason = why_undecidable(pair.pairs, comparisons);
  if (!pair.paired) pair.reason = joined_reasons(pair.reason, kNoSeeds);
  pair.paired ? add_paired_sentence(pair, head) : add_group_sentence(pair, head);
}

void add_words(SurvivalComparison& pair) {
  if (!std::isfinite(pair.p)) {
    pair.verdict = kNothing;
    pair.sentence =
        fmt::format("{}times to divergence of {} and {} (n = {} and {}){} cannot be compared: {}.", at_rate(pair),
                    pair.format, pair.reference, pair.n[0], pair.n[1], apart_text(pair), pair.reason);
    return;
  }
  pair.verdict = pair.holm_p > 0.05 ? kOpen : pair.observed[0] > pair.expected[0] ? "sooner" : "later";
  if (!pair.paired) pair.reason = kNoSeeds;
  pair.sentence =
      fmt::format("{}{} had {:g} divergences where {:.1f} were expected if it were like {} (n = {} and {}){}: {}, {}.",
                  at_rate(pair), pair.format, pair.observed[0], pair.expected[0], pair.reference, pair.n[0], pair.n[1],
                  apart_text(pair), pair.test, p_words(pair));
}

void add_words(LossComparison& pair) {
  pair.pairwise ? add_paired_words(pair) : add_group_words(pair);
}

}  // namespace precipice
