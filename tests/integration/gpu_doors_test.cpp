// SPDX-License-Identifier: Apache-2.0
// The doors to a GPU, one after the other, as the program names them: exit code 2 and one line. The program lies in a folder of
// its own, and beside it what the test puts there: it looks for its libraries for GPUs where it lies itself.
#include <filesystem>
#include <string>
#include <vector>

#include "tests/integration/lone_program.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"

using namespace precipice;

namespace {

namespace fs = std::filesystem;

// Refused with one line that has this sentence, and nothing is written.
void check_refused(const LoneProgram& program, std::vector<std::string> words, const std::string& sentence,
                   const std::vector<std::string>& environment = {}) {
  const std::vector<std::string> own = {program.place.config(), "device=cuda", "--out", program.place.path("made")};
  if (words[0] != "bench") words.insert(words.begin() + 1, own.begin(), own.end());
  INFO(words[0]);
  const ProgramResult result = program.run(words, environment);
  CHECK(result.exit_code == 2);
  CHECK(result.out.empty());
  CHECK(count_lines(result.err) == 1);
  CHECK_THAT(result.err, Catch::StartsWith("precipice: error: ") && Catch::Contains("device = cuda: " + sentence));
  CHECK_FALSE(fs::exists(program.place.path("made")));
}

std::string gpu(const std::string& said) {
  return "PRECIPICE_FAKE_GPU=" + said;
}

}  // namespace

TEST_CASE("device = cuda is refused by the first of its doors that is closed, in a line that says what mends it",
          "[integration]") {
  const LoneProgram program;
  check_refused(program, {"train"},
                "this build has no libprecipice_cuda.so beside the program: nvcc was not found when it was "
                "built; run scripts/setup --cuda, then scripts/build");
  program.put_beside(kKernelsName, fake_cuda_library());
  const std::string no_driver = "no NVIDIA driver is installed; one for CUDA 13.0 or later is needed";
  const std::vector<std::vector<std::string>> commands = {
      {"train"}, {"sweep", "seed=1,2", "--jobs", "2"}, {"bench", "quantize", "--quick", "--device", "cuda"}};
  for (const std::vector<std::string>& words : commands)
    check_refused(program, words, "no GPU can be used: " + no_driver + "; device = \"cpu\" trains here",
                  {gpu(no_driver)});
  const std::string free = gpu("free 80000000000");
  write_text(program.place.path(kTorchName), "no library");
  check_refused(program, {"train"}, "cannot open libtorch_cuda.so (", {free});
  fs::remove(program.place.path(kTorchName));
  program.put_beside(kTorchName, fake_torch_cuda_library());
  // The library of this test answers for a GPU and has no kernels.
  check_refused(program, {"train"}, "libprecipice_cuda.so is of another version of the program, build again: ", {free});
  check_refused(program, {"train", "precision.rules=attn.pv -> flash=true"},
                "h.0.attn.pv: flash attention has no kernels for it yet", {free});
}

TEST_CASE("a run or runs at once that need more than a GPU has free are refused with what they need", "[integration]") {
  const LoneProgram program;
  program.put_beside(kKernelsName, fake_cuda_library());
  program.put_beside(kTorchName, fake_torch_cuda_library());
  const std::vector<std::string> environment = {gpu("free 8000000000")};
  const std::vector<std::string> large = {"model.layers=12", "model.width=768", "model.heads=12", "model.context=1024"};
  std::vector<std::string> train = {"train", program.place.config(),   "device=cuda", "train.batch=8",
                                    "--out", program.place.path("run")};
  train.insert(train.end(), large.begin(), large.end());
  const ProgramResult one = program.run(train, environment);
  CHECK(one.exit_code == 2);
  CHECK(count_lines(one.err) == 1);
  CHECK_THAT(one.err, Catch::Contains("device = cuda: the run needs about ") &&
                          Catch::Contains(" GB of the GPU's memory, 8.0 GB are free; smaller train.batch"));
  std::vector<std::string> sweep = {
      "sweep", program.place.config(),     "device=cuda", "train.batch=2", "seed=0..7", "--jobs", "8",
      "--out", program.place.path("sweep")};
  sweep.insert(sweep.end(), large.begin(), large.end());
  const ProgramResult many = program.run(sweep, environment);
  CHECK(many.exit_code == 2);
  CHECK_THAT(many.err,
             Catch::Contains("device = cuda: 8 runs at once need about ") && Catch::Contains("fewer --jobs need less"));
  CHECK_FALSE(fs::exists(program.place.path("sweep")));
}

TEST_CASE("libtorch's CUDA side opens or says which of its libraries is missing, and devices says both",
          "[integration]") {
  const fs::path built = fs::path(program_path()).parent_path() / kTorchName;
  if (!fs::exists(built)) {
    WARN("skipped: this libtorch is for CPUs alone");
    return;
  }
  const LoneProgram program;
  program.put_beside(kKernelsName, fake_cuda_library());
  fs::copy_file(built, program.place.path(kTorchName));
  const std::vector<std::string> environment = {gpu("free 80000000000")};
  const ProgramResult devices = program.run({"devices"}, environment);
  CHECK(devices.exit_code == 0);
  CHECK_THAT(devices.out, Catch::Contains("\ncuda  Fake GPU, compute capability 9.0, "));
  if (contains(devices.out, "\n      libtorch_cuda.so opens, cuBLAS 13.")) {
    check_refused(program, {"train"}, "libprecipice_cuda.so is of another version", environment);
  } else {
    CHECK_THAT(devices.out, Catch::Contains(": cannot open shared object file: No such file or directory): run "
                                            "scripts/setup --cuda\n"));
    check_refused(program, {"train"}, "cannot open libtorch_cuda.so (lib", environment);
  }
}

TEST_CASE("a run on the CPU loads nothing of a GPU's, whatever lies beside the program", "[integration]") {
  const LoneProgram program;
  program.put_beside(kKernelsName, fake_cuda_library());
  program.put_beside(kTorchName, fake_torch_cuda_library());
  const ProgramResult result = program.run(
      {"train", program.place.config(), "train.steps=1", "--out", program.place.path("run")}, {"LD_DEBUG=files"});
  CHECK(result.exit_code == 0);
  CHECK(contains(result.err, "libtorch_cpu.so"));
  CHECK_FALSE(contains(result.err, "libtorch_cuda"));
  CHECK_FALSE(contains(result.err, kKernelsName));
  CHECK_FALSE(contains(result.err, kTorchName));
  CHECK_FALSE(contains(result.err, "libcublas"));
  CHECK_FALSE(contains(result.err, "precipice_fake"));
}
