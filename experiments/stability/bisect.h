// SPDX-License-Identifier: Apache-2.0
// Which part of a run's precision decides what becomes of it: the same steps from the same checkpoint with one kind of
// site, pass, operand or layer at a time put to the target, fp32 or bf16, or with everything between the matmuls in
// fp32; or, in reverse, with everything there except the one part. Two references bound them: the run's own precision,
// and all matmuls at the target with fp32 between them.
//   share of a part = (L_own - L_part) / (L_own - L_target)     in reverse (L_part - L_target) / (L_own - L_target)
// of final losses (mean of the last ten steps). A part decides when the own precision diverges, the target does not,
// and the part alone makes the difference; where neither diverges, when its share is at least one half and no part has
// a share of minus one half: parts that move the loss as far the other way say that any change does, by chaos.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "train/analysis/replay.h"

namespace precipice {

struct BisectRequest {
  std::filesystem::path run;
  std::int64_t from = 0;
  std::int64_t steps = 0;   // 0: as far as the run went: 20 beyond a divergence, else at most 200
  std::string to = "fp32";  // fp32 | bf16
  bool reverse = false;
  std::size_t jobs = 1;  // does not change the result
  const std::atomic<bool>* stop = nullptr;
  std::function<void(std::size_t done, std::size_t all)> progress;
};

struct BisectPart {
  std::string kind, name;  // site attn.qkv, pass dgrad, operand dy, layer 3, between matmuls
  std::string rules;       // what was put over the run's precision.rules
  Replay replay;
  bool unchanged = false;  // this part has the target's precision already: the reference's replay stands here
  double share = kNotMeasured;
  bool decides = false;
};

struct BisectResult {
  std::string run_id;
  std::int64_t from = 0, steps = 0;
  Replay own, target;
  bool reproduces_log = false;  // the own replay has the bits of the run's log, where that has the steps
  std::int64_t logged = 0;      // steps compared
  std::vector<BisectPart> parts;
  std::string verdict;
  bool complete = false;
};

// Sets `share` and `decides` of the parts, and says what follows from the replays.
std::string judge(BisectResult& result, const BisectRequest& request);

// Throws ConfigError (unknown target, steps beyond the run's end), DataError.
BisectResult bisect_run(const BisectRequest& request);

std::string bisect_text(const BisectResult& result, const BisectRequest& request);
std::string bisect_json(const BisectResult& result, const BisectRequest& request);

}  // namespace precipice
