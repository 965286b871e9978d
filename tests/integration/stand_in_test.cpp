// SPDX-License-Identifier: Apache-2.0
// The program with device = cuda, from its command line to its files, where the CPU stands in for a GPU (tests/support/stand_in):
// the same numbers as with device = cpu, to the byte, since every sum has the CPU's order there.
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "metrics/files/run_files.h"
#include "metrics/hdf5/hdf5_file.h"
#include "metrics/log/journal.h"
#include "metrics/log/status_file.h"
#include "tests/integration/lone_program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "train/run/checkpoint.h"
#include "train/run/run_directory.h"

using namespace precipice;

namespace {

namespace fs = std::filesystem;

constexpr const char* kCpuAsGpu = "CPU in the place of a GPU";

struct StandIn : LoneProgram {
  StandIn() {
    put_beside(kKernelsName, cuda_on_cpu_library());
    put_beside(kTorchName, stand_in_torch_cuda_library());
  }
  std::vector<std::string> train(const std::string& device, const std::string& out) const {
    return {"train",   place.config(), "precision.recipe=fp8", "device=" + device, "metrics.tensors_every=7",
            "--quiet", "--out",        place.path(out)};
  }
};

template <class Number>
bool same_bytes(const std::vector<Number>& a, const std::vector<Number>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Number)) == 0);
}

void check_same_journal(const JournalContents& a, const JournalContents& b) {
  REQUIRE(a.series.rows.size() == b.series.rows.size());
  bool same = true;
  for (std::size_t i = 0; i < a.series.rows.size(); ++i) {
    const SeriesRow &x = a.series.rows[i], &y = b.series.rows[i];
    same = same && x.step == y.step && x.group == y.group && same_bytes(x.values, y.values);
  }
  CHECK(same);
}

void check_same_series(const Hdf5Reader& a, const Hdf5Reader& b, const RunSeries& series) {
  std::size_t compared = 0;
  for (const SeriesGroup& group : series.groups)
    for (const Series& one : group.series) {
      const std::string path = "/" + group.name + "/" + one.name;
      INFO(path);
      CHECK(a.shape(path) == b.shape(path));
      CHECK(same_bytes(a.read_doubles(path), b.read_doubles(path)));
      ++compared;
    }
  CHECK(compared > 10);
  for (const char* name : {"status", "accumulators", "data_sha256", "isa", "libtorch_version"})
    if (a.has_attribute("/", name)) CHECK(a.attribute_text("/", name) == b.attribute_text("/", name));
}

void check_same_checkpoints(const fs::path& a, const fs::path& b, const std::string& of_a, const std::string& of_b) {
  const std::vector<std::int64_t> steps = checkpoint_steps(a / kCheckpointFolder);
  CHECK(steps.size() == 2);
  CHECK(steps == checkpoint_steps(b / kCheckpointFolder));
  for (const std::int64_t step : steps) {
    const Checkpoint x = read_checkpoint(checkpoint_path(a / kCheckpointFolder, step), of_a),
                     y = read_checkpoint(checkpoint_path(b / kCheckpointFolder, step), of_b);
    CHECK(x.numbers == y.numbers);
    REQUIRE(x.arrays.size() == y.arrays.size());
    for (std::size_t i = 0; i < x.arrays.size(); ++i) {
      INFO(x.arrays[i].name);
      CHECK(x.arrays[i].name == y.arrays[i].name);
      CHECK(same_bytes(x.arrays[i].values, y.arrays[i].values));
    }
  }
}

void replace_all(std::string& text, const std::string& part, const std::string& by) {
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + by.size()))
    text.replace(at, part.size(), by);
}

// log.txt without the run's id and place, and the lines that name the device and say of its graph.
std::string log_of(const fs::path& run, const std::string& id) {
  std::string text = text_of(run / kLogFileName);
  replace_all(text, run.parent_path().string() + "/", "");
  replace_all(text, id, "ID");
  for (const char* of_device : {kCpuAsGpu, "training steps are "}) {
    const std::size_t at = text.find(of_device);
    if (at != std::string::npos) text.erase(at, text.find('\n', at) + 1 - at);
  }
  return text;
}

// A run on the CPU and one with device = cuda. `interrupted`: the second has words of its interruptions in its log.
void check_same_run(const fs::path& cpu, const fs::path& gpu, bool interrupted = false) {
  const JournalContents a = read_journal(cpu / kJournalFileName), b = read_journal(gpu / kJournalFileName);
  check_same_journal(a, b);
  const Hdf5Reader of_cpu(text_of(cpu / kRunFileName), kRunFileName), of_gpu(text_of(gpu / kRunFileName), kRunFileName);
  check_same_series(of_cpu, of_gpu, a.series);
  check_same_checkpoints(cpu, gpu, a.identity, b.identity);
  if (!interrupted) CHECK(log_of(cpu, a.identity) == log_of(gpu, b.identity));
  CHECK(of_cpu.attribute_text("/", "device") == "cpu");
  CHECK(of_gpu.attribute_text("/", "device") == "cuda");
  CHECK(of_gpu.attribute_text("/", "gpu_model") == kCpuAsGpu);
  CHECK(of_gpu.attribute_text("/", "cublas_version") == "0.0.0");
  const RunStatus status = read_status(gpu / kStatusFileName).value();
  CHECK(status.state == read_status(cpu / kStatusFileName).value().state);
  CHECK(status.device.device == "cuda");
  CHECK(status.device.gpu_model == kCpuAsGpu);
  CHECK(status.device.driver == "13.0");
  CHECK_THAT(status.device.carrier, Catch::EndsWith(" (cuBLAS, sm_90)"));
}

// Directories of a sweep's runs, by their configs as if all were of the CPU.
std::map<std::string, fs::path> runs_of(const fs::path& sweep) {
  std::map<std::string, fs::path> runs;
  for (const auto& entry : fs::directory_iterator(sweep)) {
    if (!fs::exists(entry.path() / kConfigFileName)) continue;
    std::string config = text_of(entry.path() / kConfigFileName);
    const std::string cuda = "device = 'cuda'";
    if (const std::size_t at = config.find(cuda); at != std::string::npos)
      config.replace(at, cuda.size(), "device = 'cpu'");
    runs[config] = entry.path();
  }
  return runs;
}

}  // namespace

TEST_CASE("train device=cuda has the numbers of device=cpu to the byte, also after it was killed and goes on",
          "[integration]") {
  const StandIn program;
  REQUIRE(program.run(program.train("cpu", "cpu")).exit_code == 0);
  const ProgramResult whole = program.run(program.train("cuda", "whole"));
  INFO(whole.err);
  REQUIRE(whole.exit_code == 0);
  check_same_run(program.place.path("cpu"), program.place.path("whole"));

  // Also where its steps are replays of a graph.
  std::vector<std::string> by_graph = program.train("cuda", "parts");
  by_graph.insert(by_graph.end(), {"--graphs", "always"});
  const pid_t child = program.start(by_graph);
  const fs::path parts = program.place.path("parts");
  REQUIRE(wait_for_size(checkpoint_path(parts / kCheckpointFolder, 5), 1));
  kill(child, SIGKILL);
  CHECK(program.wait(child).exit_code == 128 + SIGKILL);
  CHECK(read_status(parts / kStatusFileName).value().step < 20);
  CHECK(program.run({"train", parts.string(), "--quiet", "--graphs", "always"}).exit_code == 0);
  CHECK_THAT(text_of(parts / kLogFileName), Catch::Contains("training steps are one CUDA graph"));
  check_same_run(program.place.path("cpu"), parts, true);
}

TEST_CASE("a sweep of device=cuda by two processes at once has the numbers of one of device=cpu", "[integration]") {
  const StandIn program;
  for (const std::string device : {"cpu", "cuda"}) {
    const ProgramResult result =
        program.run({"sweep", program.place.config(), "device=" + device, "train.steps=6", "train.eval_every=3",
                     "train.checkpoint_every=3", "seed=0,1", "precision.recipe=bf16,mxfp8", "--jobs", "2", "--out",
                     program.place.path(device)});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
  }
  const auto on_cpu = runs_of(program.place.path("cpu")), on_gpu = runs_of(program.place.path("cuda"));
  CHECK(on_cpu.size() == 4);
  REQUIRE(on_gpu.size() == 4);
  for (const auto& [config, run] : on_cpu) {
    REQUIRE(on_gpu.contains(config));
    check_same_run(run, on_gpu.at(config));
  }
}

TEST_CASE("a run that uses the GPU's memory up fails with what it needed, and a sweep's others go on",
          "[integration]") {
  const StandIn program;
  const ProgramResult result =
      program.run({"sweep", program.place.config(), "device=cuda", "train.steps=2", "train.eval_every=0",
                   "precision.recipe=fp32", "model.width=16,64", "--jobs", "1", "--out", program.place.path("sweep")},
                  {"PRECIPICE_STAND_IN_MEMORY=1000000"});
  CHECK(result.exit_code == 3);
  std::map<RunState, RunStatus> states;
  for (const auto& [config, run] : runs_of(program.place.path("sweep"))) {
    const RunStatus status = read_status(run / kStatusFileName).value();
    states[status.state] = status;
  }
  INFO(result.err);
  REQUIRE(states.size() == 2);
  CHECK(states.contains(RunState::Failed));
  CHECK_THAT(states[RunState::Failed].reason,
             Catch::Contains("the GPU's memory is used up: the run needs about ") &&
                 Catch::Contains(", and 4.3 GB were free before it; smaller train.batch"));
  CHECK(states[RunState::Failed].device.gpu_model == kCpuAsGpu);
}

TEST_CASE("with ATen's products, a GPU's way, device=cuda has the CPU's losses but for the order of sums",
          "[integration]") {
  const StandIn program;
  REQUIRE(program.run(program.train("cpu", "cpu")).exit_code == 0);
  const ProgramResult other = program.run(program.train("cuda", "aten"), {"PRECIPICE_STAND_IN_PRODUCTS=aten"});
  INFO(other.err);
  REQUIRE(other.exit_code == 0);
  const Hdf5Reader a(text_of(fs::path(program.place.path("cpu")) / kRunFileName), kRunFileName),
      b(text_of(fs::path(program.place.path("aten")) / kRunFileName), kRunFileName);
  const std::vector<double> x = a.read_doubles("/metrics/train_loss"), y = b.read_doubles("/metrics/train_loss");
  REQUIRE(x.size() == 20);
  REQUIRE(y.size() == 20);
  // A sum of 16 numbers moves by 2^-21 of itself. A rounding to E4M3 or bf16 that tips over moves a loss by far more, and a few
  // of them do in 20 steps.
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(y[i] == Approx(x[i]).epsilon(1e-3));
}

TEST_CASE("status and plans of device=cuda say what is known of the GPU, and no time of the CPU's", "[integration]") {
  const StandIn program;
  const std::string run = program.place.path("run");
  REQUIRE(program.run({"train", program.place.config(), "device=cuda", "train.steps=1", "--quiet", "--out", run})
              .exit_code == 0);
  const std::string named = "cuda: CPU in the place of a GPU, driver for CUDA 13.0, cuBLAS 0.0.0, products ";
  CHECK_THAT(program.run({"status", run}).out, Catch::Contains("\n" + named));
  CHECK_THAT(program.run({"status", run, "--json"}).out,
             Catch::Contains("\"gpu_model\": \"CPU in the place of a GPU\""));
  const std::vector<std::string> sweep = {"sweep", program.place.config(),     "device=cuda", "seed=0,1",
                                          "--out", program.place.path("sweep")};
  const auto with = [](std::vector<std::string> words, const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const std::string unknown = "not measured: no time is known for the GPU before a run has trained there";
  for (const std::vector<std::string>& words :
       {with(sweep, {"--dry-run"}), std::vector<std::string>{"train", program.place.config(), "device=cuda",
                                                             "--dry-run", "--out", program.place.path("plan")}}) {
    const ProgramResult plan = program.run(words);
    INFO(plan.err);
    CHECK(plan.exit_code == 0);
    CHECK_THAT(plan.out, Catch::Contains("time        " + unknown));
  }
  const ProgramResult emitted = program.run(with(sweep, {"--emit", "slurm"}));
  INFO(emitted.err);
  CHECK(emitted.exit_code == 0);
  CHECK_THAT(emitted.out + emitted.err, Catch::Contains(unknown));
}

TEST_CASE("bench --device cuda times its parts there and says that these times mean nothing", "[integration]") {
  const StandIn program;
  const ProgramResult gemm = program.run({"bench", "gemm", "--device", "cuda", "--quick"});
  INFO(gemm.err);
  CHECK(gemm.exit_code == 0);
  CHECK_THAT(gemm.out, Catch::StartsWith("no GPU: the CPU stands in for one, and times mean nothing; CPU in the place "
                                         "of a GPU, driver for CUDA 13.0, cuBLAS 0.0.0; ratio of times"));
  CHECK_THAT(gemm.out, Catch::Contains("product of bf16 numbers, 128 x 128 x 128"));
  CHECK(count_lines(gemm.out) == 4);
  const ProgramResult growth = program.run({"bench", "growth", "--device", "cuda", "--quick"});
  CHECK(growth.exit_code == 2);
  CHECK_THAT(growth.err,
             Catch::Contains("part = growth: is timed on the CPU alone; with --device cuda there are roofline"));
}

TEST_CASE("every part of bench runs with device=cuda", "[integration][.slow]") {
  const StandIn program;
  const ProgramResult all = program.run({"bench", "--device", "cuda", "--quick", "--size", "tiny"});
  INFO(all.err);
  CHECK(all.exit_code == 0);
  for (const char* row :
       {"torch's mm in bf16, ", "quantize e4m3 stochastic to bf16, ", "1x32 blocks, x: mxfp8",
        "product of bf16 numbers, ", "forward and backward, fp8-all", "fp8 step, tiny 2x64", "AdamW, "})
    CHECK_THAT(all.out, Catch::Contains(row));
}

TEST_CASE("gpu_check packs, unpacks and runs to its end where the CPU stands in for a GPU", "[integration][.slow]") {
  const TemporaryDirectory place;
  const std::string scripts = source_directory() + "/scripts/", folder = place.path().string(),
                    archive = folder + "/pack.tar.xz", check = folder + "/gpu_check/scripts/gpu_check",
                    log = " >>" + folder + "/log 2>&1";
  const auto shell = [&](const std::string& command) { return std::system((command + log).c_str()); };
  const auto printed = [&] { return text_of(place / "log"); };
  REQUIRE(shell(scripts + "pack_for_gpu --stand-in --quick --out " + archive) == 0);
  CHECK_THAT(printed(), Catch::Contains("pack_for_gpu: " + archive + ", ") && Catch::Contains(" MB unpacked"));
  REQUIRE(shell("tar -C " + folder + " -xf " + archive) == 0);
  const int status = shell("cd " + folder + " && " + source_directory() + "/.venv/bin/python " + check +
                           " --quick --limits 4 --out results");
  INFO(printed());
  CHECK(status == 0);
  CHECK_THAT(printed(), Catch::Contains("12 of 12 parts without a failure"));
  // What no machine without a GPU has is said to be missing; all else ran.
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(place / "results")) files += entry.is_regular_file();
  CHECK(files == 8);
  CHECK_THAT(printed(), Catch::Contains("equal: passed, 3 runs, ") && Catch::Contains("curves: passed, 4 runs, "));
  CHECK_THAT(printed(), Catch::Contains("products: passed") && Catch::Contains("bench: passed"));
  REQUIRE(shell(scripts + "pack_for_gpu --stand-in --references " + folder + "/gpu_check/references.json --out " +
                archive) == 0);
  CHECK(shell("PACK_MOST_BYTES=1000 " + scripts + "pack_for_gpu --stand-in --references " + folder +
              "/gpu_check/references.json --out " + archive) != 0);
}
