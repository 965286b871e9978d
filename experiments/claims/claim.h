// SPDX-License-Identifier: Apache-2.0
// Claims are data: [[claim]] tables of a sweep's TOML, written before its runs and judged from their stored files.
//   [[claim]]
//   id = "ladder_e8m3"                            one word, unique in the file
//   source = "arXiv 2405.18710, section 4"        who says so
//   says = "fewer mantissa bits train worse"      in words
//   paper = "E8M3 diverges in 3 of 4 runs"        what the source reports, as it says it (optional)
//   metric = "final_loss"                         what is compared, below
//   compare = ["e8m3", "bf16"]                    two values of one axis, or two formats as `merge` names them
//   at = {"optimizer.lr" = 1e-3}                  a value for every other axis that varies, seeds apart, by its config key
//   direction = "higher"                          of the first over the second: higher, lower, equivalent
//   margin = 0.005                                in the metric's units; a text like "0.25 %" is of the second's mean
//   effect = 0.02                                 the size that the source claims, for "would need n" (optional)
//   test = "paired-t"                             the one that decides; the metric's own where it is left out
//   family = "ladder"                             claims of a family share alpha by Holm's rule; alone where left out
//   alpha = 0.05
//   n = 8                                         pairs of seeds, the lowest seeds first
//   seeds = "fresh"                               "sequential": n grew as results came in, which is exploratory
//   literal = true                                or accelerated = "ten times the rate": the lever
//
//   metric                            unit                          tests
//   final_loss                        nats                          paired-t, sign, signed-rank; tost where equivalent
//   series:GROUP/NAME@FROM:TO         mean over these steps         the same
//   diverged, untrained, failed       share of runs                 mcnemar (failed: either of both)
//   jumps, spikes:RULE                episodes per judged step      rate-ratio; the margin is of log(ratio): 0.5 is +50 %
//   first_departure:GROUP/A<GROUP/B   seeds in which A leaves its   sign
//                                     band earlier; bands = [0.9, 1.1, 0.98, 1.02], window = 50
//   identical                         every bit                     bits
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "metrics/statistics/distributions.h"

namespace precipice {

enum class ClaimMetric { FinalLoss, Series, Diverged, Untrained, Failed, Episodes, FirstDeparture, Identical };
enum class ClaimDirection { Higher, Lower, Equivalent };
enum class ClaimTest { PairedT, SignedRank, Sign, Tost, McNemar, RateRatio, Bits };

struct SeriesName {
  std::string group, name;
};

struct Claim {
  std::string id, source, says, paper, metric;  // the metric as written
  ClaimMetric kind = ClaimMetric::FinalLoss;
  std::string rule;                 // Episodes
  SeriesName series, other_series;  // Series and FirstDeparture: A, and B
  std::int64_t from = 0, to = 0;    // Series: steps, both ends included
  Interval band{0.9, 1.1}, other_band{0.98, 1.02};
  std::int64_t window = 50;  // FirstDeparture: steps

  std::string first, second;              // compare
  std::map<std::string, std::string> at;  // values as text
  ClaimDirection direction = ClaimDirection::Higher;
  double margin = 0;
  bool margin_is_relative = false;
  std::optional<double> effect;
  ClaimTest test = ClaimTest::PairedT;
  std::string family;
  double alpha = 0.05;
  std::int64_t n = 0;
  bool sequential = false;
  std::string accelerated;  // "": literal

  std::string text;        // all keys and values in a fixed order
  std::string prediction;  // the same without `paper`, which is a quotation: what the hash is of
  std::string file;        // where it was written
  int line = 0;
};

std::string to_string(ClaimDirection direction);
std::string to_string(ClaimTest test);

// Throws ConfigError naming file, line, key, value and what is allowed. A file without [[claim]] has none.
std::vector<Claim> parse_claims(const std::string& toml_text, const std::string& file_name);
// Of a file that somebody wrote: also refuses an `at` that names no config key, which the label of keys that move together
// is not. What a directory has registered is read without that (parse_claims).
std::vector<Claim> read_claims(const std::filesystem::path& path);

// The least p that the deciding test can give with n pairs: 2^(1 - n) for those that count signs, 0 for others.
double least_p(const Claim& claim);

}  // namespace precipice
