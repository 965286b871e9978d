// SPDX-License-Identifier: Apache-2.0
// What the runs of a sweep have in their files, read one after the other: status, config, inputs, series. Of many runs
// several processes read status and series ahead, since one thread at a time may use the HDF5 library: process p reads the runs p, p + P,
// p + 2 P, ... and writes what it found into a pipe, which it cannot fill by more than a run or two. The runs' order, and what
// is read of them, are those of one process.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "experiments/statistics/sweep_data.h"

namespace precipice {

// Where a run is read, and the id of the run that should be there; "": that of its config.
struct ReadRun {
  std::filesystem::path directory;
  std::string id;
};

// How many processes read so many runs by default: a start pays for a few dozen.
std::size_t reading_processes(std::size_t runs);

class RunReaders {
 public:
  // Throws OutputError where there is no memory to share.
  RunReaders(std::vector<ReadRun> runs, SeriesChoice choice, std::set<std::string> groups, std::size_t processes);
  ~RunReaders();  // ends what still reads
  RunReaders(const RunReaders&) = delete;
  RunReaders& operator=(const RunReaders&) = delete;

  // The next run: its status as observed, config, inputs, machine and series, or why it has none.
  void read(AnalysedRun& run);
  // ForIndex: whether series with sites were more than kMostSiteValues. Runs that were read later came without theirs.
  bool sites_are_too_many() const;

 private:
  class Reader;
  struct Process;
  void start(std::size_t number);

  std::vector<ReadRun> runs_;
  std::size_t next_ = 0;
  std::atomic<std::uint64_t>* site_values_;  // that were read by all processes, in memory that they share
  std::unique_ptr<Reader> reader_;           // of this process
  std::vector<Process> processes_;
};

}  // namespace precipice
