// SPDX-License-Identifier: Apache-2.0
// What a process of several jobs does (worker_process.h): a thread for each job that it is at, which stays for the next
// one, so that what belongs to a thread, as a stream of a GPU and primitives of products, is made once.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "experiments/sweep/scheduler.h"

namespace precipice {

// To the process: do the job at this place of the list, under this claim. From it: the job ended with this exit code, or
// could not begin, of which the word is the errno, negated.
struct JobMessage {
  std::int64_t place = 0, word = 0;
};
inline constexpr int kJobNotBegun = 5;  // exit code of a job that got no thread

// Does the jobs of which `socket` tells, each as soon as it is told, and says how they ended. Returns when it is told of no
// more and all have ended. What a job's thread prints goes into the job's log.
void do_jobs(const std::vector<Job>& jobs, const std::function<int(const Job&)>& work, int socket);

}  // namespace precipice
