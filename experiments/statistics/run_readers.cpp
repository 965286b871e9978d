// SPDX-License-Identifier: Apache-2.0
#include "experiments/statistics/run_readers.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include "experiments/statistics/run_bytes.h"
#include "experiments/sweep/jobs.h"
#include "experiments/sweep/observed_run.h"
#include "metrics/files/file_descriptor.h"
#include "metrics/files/files.h"
#include "precision/base/check.h"
#include "train/run/config_reader.h"
#include "train/run/run_directory.h"

namespace precipice {
namespace {

constexpr std::size_t kRunsPerProcess = 64, kMostProcesses = 16;

ColumnChoice columns_for(SeriesChoice choice, std::set<std::string> groups) {
  ColumnChoice columns;
  if (choice == SeriesChoice::ForIndex) columns.most = SeriesRank::Site;
  columns.groups = std::move(groups);
  columns.meanings = choice != SeriesChoice::Values;
  return columns;
}

// False at the end of the file, or where it breaks off.
bool read_exactly(int descriptor, char* to, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::read(descriptor, to, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got, size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

std::size_t reading_processes(std::size_t runs) {
  return std::min({static_cast<std::size_t>(usable_cores()), runs / kRunsPerProcess + 1, kMostProcesses});
}

// Reads in the process that it is in. What a series means is read of the first run that ended and says so, which is the one
// that index.h5 takes it from: the first one of each process, among which is the first of all. A group that one run has so
// much of that as much of each would be too much for the index is read no more.
class RunReaders::Reader {
 public:
  Reader(ColumnChoice choice, std::size_t runs, std::atomic<std::uint64_t>& site_values)
      : choice_(std::move(choice)), runs_(runs), site_values_(&site_values) {
    choice_.described = &described_;
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void read(AnalysedRun& run, const std::string& id) {
    observe(run, id);
    read_settings(run);
    if (run.usable()) read_series(run);
  }
  void observe(AnalysedRun& run, const std::string& id) {
    run_file_.clear();
    run.status = observe_run(run.directory, id, &run_file_);
  }

  void read_settings(AnalysedRun& run) {
    try_to_read(run, [&] {
      run.config = RunDirectory(run.directory).read_config(configs_);
      run.inputs = recorded_inputs(run.directory, run.config);
    });
  }

  // Of the run that was observed last.
  void read_series(AnalysedRun& run) {
    if (choice_.most == SeriesRank::Site && *site_values_ > kMostSiteValues) choice_.most = SeriesRank::Step;
    try_to_read(run, [&] {
      run.columns = read_columns(run.directory, run.status, &run.machine, choice_, std::move(run_file_));
      if (find_series(run.columns, "metrics", "train_loss") == nullptr) run.problem = "no metrics/train_loss";
    });
    bool tells_more = false;
    for (const auto& [name, group] : run.columns) {
      tells_more = tells_more || !group.meanings.empty() || is_too_large(group);
      if (choice_.most == SeriesRank::Site && !group.sites.empty()) *site_values_ += group.values();
    }
    if (tells_more && run.ended() && has_settings(run)) learn_from(run);
  }

 private:
  template <class Work>
  void try_to_read(AnalysedRun& run, const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      // What a failed run's status says comes before what follows from it.
      const bool is_known = run.status.state == RunState::Failed && !run.status.reason.empty();
      run.problem = is_known ? run.status.reason : error.what();
    }
    if (run.status.state == RunState::Pending) run.problem = "not begun";
  }

  // The index takes nothing from a run whose config cannot be read.
  bool has_settings(const AnalysedRun& run) {
    AnalysedRun same;
    same.directory = run.directory, same.status = run.status;
    read_settings(same);
    return same.usable();
  }
  bool is_too_large(const ColumnGroup& group) const {
    return choice_.most == SeriesRank::Site && !group.sites.empty() && group.values() > kMostSiteValues / runs_;
  }
  void learn_from(const AnalysedRun& run) {
    for (const auto& [name, group] : run.columns) {
      if (is_too_large(group)) choice_.except.insert(name);
      for (const auto& [series, meaning] : group.meanings)
        if (!meaning.units.empty()) described_.insert(described_series(name, group, series));
    }
  }

  ColumnChoice choice_;
  std::string run_file_;  // its bytes, once they are known to be the recorded ones
  std::set<std::string> described_;
  std::size_t runs_;  // of the sweep
  std::atomic<std::uint64_t>* site_values_;
  ConfigReader configs_;
};

struct RunReaders::Process {
  pid_t pid = -1;
  FileDescriptor found;  // where its runs come from, each after its size; closed when it has ended early
};

RunReaders::RunReaders(std::vector<ReadRun> runs, SeriesChoice choice, std::set<std::string> groups,
                       std::size_t processes)
    : runs_(std::move(runs)) {
  void* shared = mmap(nullptr, sizeof(*site_values_), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw OutputError("cannot share memory with processes: " + system_reason(errno));
  site_values_ = new (shared) std::atomic<std::uint64_t>(0);
  reader_ = std::make_unique<Reader>(columns_for(choice, std::move(groups)), runs_.size(), *site_values_);
  if (processes < 2) return;
  processes_.resize(processes);
  for (std::size_t p = 0; p < processes; ++p) start(p);
}

// Where a process cannot be started, or ends early, this one reads its runs.
void RunReaders::start(std::size_t number) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  FileDescriptor found(ends[0]), to(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return;
  if (pid > 0) {
    processes_[number].pid = pid;
    processes_[number].found = std::move(found);
    return;
  }
  try {
    for (std::size_t i = number; i < runs_.size(); i += processes_.size()) {
      AnalysedRun run;
      run.directory = runs_[i].directory;
      reader_->observe(run, runs_[i].id);
      reader_->read_series(run);
      const std::string bytes = bytes_of_run(run);
      const std::uint64_t size = bytes.size();
      write_all(to.get(), {reinterpret_cast<const char*>(&size), sizeof size});
      write_all(to.get(), bytes);
    }
  } catch (...) {
    _exit(1);
  }
  _exit(0);
}

RunReaders::~RunReaders() {
  for (Process& process : processes_) {
    if (process.pid < 0) continue;
    kill(process.pid, SIGKILL);  // of no effect on one that has ended
    while (waitpid(process.pid, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  munmap(site_values_, sizeof(*site_values_));
}

void RunReaders::read(AnalysedRun& run) {
  PRECIPICE_CHECK(next_ < runs_.size(), "runs are read once");
  const ReadRun& wanted = runs_[next_];
  run.directory = wanted.directory;
  const std::size_t number = next_++;
  if (processes_.empty()) return reader_->read(run, wanted.id);
  Process& process = processes_[number % processes_.size()];
  std::uint64_t size = 0;
  std::string bytes;
  bool came = process.found.valid() && read_exactly(process.found.get(), reinterpret_cast<char*>(&size), sizeof size);
  if (came) {
    bytes.resize(size);
    came = read_exactly(process.found.get(), bytes.data(), size);
  }
  if (!came) {
    process.found = FileDescriptor();
    return reader_->read(run, wanted.id);
  }
  take_run(bytes, run);
  AnalysedRun settings;
  settings.directory = run.directory, settings.status = run.status;
  reader_->read_settings(settings);
  run.config = std::move(settings.config), run.inputs = std::move(settings.inputs);
  if (settings.usable()) return;
  run.problem = settings.problem;
  run.machine.clear(), run.columns.clear();
}

bool RunReaders::sites_are_too_many() const {
  return *site_values_ > kMostSiteValues;
}

}  // namespace precipice
