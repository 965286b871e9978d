// SPDX-License-Identifier: Apache-2.0
// Kernels as a beginner's book has them, and with the mistakes that it warns of: what cuda_on_cpu must run rightly, and
// what it must refuse. Each example has a name by which a test runs it.
#include <cuda_runtime.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/support/cuda_on_cpu/example_kernels.h"
#include "tests/support/cuda_on_cpu/example_matrices.cuh"

namespace cuda_on_cpu {
namespace {

constexpr int kThreads = 96, kBlocks = 3, kCount = kThreads * kBlocks;

__device__ int place() {
  return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

// The sum of a block's numbers by halving; with `kBarrier` false the halves do not wait for one another.
template <bool kBarrier>
__global__ void block_sum(const int* in, int* sums) {
  __shared__ int part[128];
  const unsigned i = threadIdx.x;
  part[i] = i < kThreads ? in[place()] : 0;
  if (i + kThreads < 128) part[i + kThreads] = 0;
  for (unsigned half = 64; half > 0; half /= 2) {
    if (kBarrier || half == 64) __syncthreads();
    if (i < half) part[i] += part[i + half];
  }
  if (i == 0) sums[blockIdx.x] = part[0];
}

__global__ void warp_sum(const int* in, int* sums) {
  int sum = in[place()];
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
  if (threadIdx.x % 32 == 0) sums[place() / 32] = sum;
}

__global__ void warp_votes(const int* in, int* votes) {
  const unsigned odd = __ballot_sync(~0u, in[place()] % 2);
  const int from_below = __shfl_up_sync(~0u, in[place()], 1), from_above = __shfl_down_sync(~0u, in[place()], 1);
  const bool all = __all_sync(~0u, in[place()] >= 0), any = __any_sync(~0u, in[place()] < 0);
  const int first = __shfl_sync(~0u, in[place()], 0);
  votes[place()] = odd == 0xAAAAAAAAu && all && !any ? from_below + from_above - 2 * first : -1;
}

// The lanes of a warp turn their numbers around in shared memory.
template <bool kWait>
__global__ void warp_turn(const int* in, int* out) {
  __shared__ int kept[kThreads];
  kept[threadIdx.x] = in[place()];
  if (kWait) __syncwarp();
  out[place()] = kept[threadIdx.x ^ 31];
}

__global__ void count_all(int* count) {
  atomicAdd(count, 1);
  atomicMax(count + 1, place());
}

__global__ void grid_places(int* out) {
  const unsigned x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  out[y * gridDim.x * blockDim.x + x] = static_cast<int>(100 * y + x);
}

__global__ void fill(int* out, int count, int value) {
  if (place() < count) out[place()] = value;
}
__global__ void copy(const int* in, int* out) {
  out[place()] = in[place()];
}
__global__ void one_place(int* out) {
  if (threadIdx.x == 0) out[0] = static_cast<int>(blockIdx.x);
}
__global__ void leave_early(int* out) {
  if (threadIdx.x == 5) return;
  __syncthreads();
  out[place()] = 1;
}
__global__ void two_barriers(int* out) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[place()] = 1;
}
__global__ void unwritten_shared(int* out) {
  __shared__ int kept[kThreads];
  if (threadIdx.x > 0) kept[threadIdx.x] = 1;
  out[place()] = kept[threadIdx.x];
}
__global__ void lane_left(int* out) {
  if (threadIdx.x % 32 == 7) return;
  out[place()] = __shfl_xor_sync(~0u, 1, 1);
}
__global__ void other_masks(int* out) {
  out[place()] = __shfl_xor_sync(threadIdx.x % 32 == 0 ? ~0u : ~1u, 1, 2);
}
__global__ void lane_at_barrier(int* out) {
  if (threadIdx.x == 3) __syncthreads();
  out[place()] = __shfl_xor_sync(~0u, 1, 1);
}
__global__ void others_local(int* out) {
  __shared__ int* local;
  int own = place();
  if (threadIdx.x == 0) local = &own;
  __syncthreads();
  out[place()] = *local + own;
}

__global__ void vectors(const int* in, int* out, int shift) {
  if (threadIdx.x == 0) *reinterpret_cast<uint4*>(out + shift) = *reinterpret_cast<const uint4*>(in);
}

// Device memory with the numbers 0, 1, 2, ..., or with nothing yet.
struct Numbers {
  explicit Numbers(int size, bool filled = true) : count(size) {
    cudaMalloc(reinterpret_cast<void**>(&data), bytes());
    if (!filled) return;
    std::vector<int> host(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) host[static_cast<std::size_t>(i)] = i;
    cudaMemcpy(data, host.data(), bytes(), cudaMemcpyHostToDevice);
  }
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;
  ~Numbers() { cudaFreeAsync(data, nullptr); }
  std::size_t bytes() const { return static_cast<std::size_t>(count) * sizeof(int); }

  int count;
  int* data = nullptr;
};

template <class... Parameters, class... Arguments>
void launch_on(cudaStream_t stream, dim3 grid, dim3 block, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  cudaLaunchKernelEx(&config, kernel, arguments...);
}
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), Arguments... arguments) {
  launch_on(nullptr, kBlocks, kThreads, kernel, arguments...);
}

std::string sentence_of(cudaError_t error) {
  return error == cudaSuccess ? "" : cudaGetErrorString(error);
}

// Empty where the device has those numbers, or what is wrong.
template <class Expected>
std::string compare(const Numbers& numbers, Expected expected) {
  std::vector<int> host(static_cast<std::size_t>(numbers.count));
  const cudaError_t error = cudaMemcpy(host.data(), numbers.data, numbers.bytes(), cudaMemcpyDeviceToHost);
  if (error != cudaSuccess) return sentence_of(error);
  for (int i = 0; i < numbers.count; ++i) {
    const int found = host[static_cast<std::size_t>(i)];
    if (found != expected(i))
      return "number " + std::to_string(i) + " is " + std::to_string(found) + ", not " + std::to_string(expected(i));
  }
  return "";
}

int sum_between(int begin, int end) {
  return (end * (end - 1) - begin * (begin - 1)) / 2;
}

// Runs a kernel of one output array of kCount numbers.
template <class Kernel>
std::string run_with_output(Kernel kernel) {
  const Numbers out(kCount);
  launch(kernel, out.data);
  return sentence_of(cudaDeviceSynchronize());
}
template <class Kernel, class Expected>
std::string run_on_numbers(Kernel kernel, int outputs, Expected expected) {
  const Numbers in(kCount), out(outputs, false);
  launch(kernel, static_cast<const int*>(in.data), out.data);
  return compare(out, expected);
}

std::string stream_example(bool waits) {
  cudaStream_t a = nullptr, b = nullptr;
  cudaEvent_t written = nullptr;
  cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking);
  cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking);
  cudaEventCreate(&written);
  const Numbers in(kCount, false), out(kCount, false);
  launch_on(a, kBlocks, kThreads, fill, in.data, kCount, 7);
  cudaEventRecord(written, a);
  if (waits) cudaStreamWaitEvent(b, written);
  launch_on(b, kBlocks, kThreads, copy, static_cast<const int*>(in.data), out.data);
  const std::string sentence = sentence_of(cudaStreamSynchronize(b));
  for (const cudaStream_t stream : {a, b}) cudaStreamDestroy(stream);
  cudaEventDestroy(written);
  return sentence.empty() ? compare(out, [](int) { return 7; }) : sentence;
}

std::string download_without_wait() {
  const Numbers out(kCount);
  std::vector<int> host(kCount, -1);
  launch(fill, out.data, kCount, 7);
  cudaMemcpyAsync(host.data(), out.data, out.bytes(), cudaMemcpyDeviceToHost, nullptr);
  const bool early = host[0] != -1;
  const std::string sentence = sentence_of(cudaStreamSynchronize(nullptr));
  return !sentence.empty() ? sentence : early || host[0] != 7 ? "the copy did not run at the wait" : "";
}

std::string use_after_free() {
  int* freed = nullptr;
  {
    const Numbers numbers(kCount);
    freed = numbers.data;
  }
  launch(fill, freed, kCount, 7);
  return sentence_of(cudaDeviceSynchronize());
}

std::string host_memory() {
  std::vector<int> host(kCount);
  launch(fill, host.data(), kCount, 7);
  return sentence_of(cudaDeviceSynchronize());
}

std::string unwritten_output() {
  const Numbers out(kCount, false);
  launch(fill, out.data, kCount - 1, 7);
  return compare(out, [](int) { return 7; });
}

std::string past_the_end() {
  const Numbers out(kCount - 1);
  launch(fill, out.data, kCount, 7);
  return sentence_of(cudaDeviceSynchronize());
}

std::string before_the_start() {
  const Numbers out(kCount);
  launch(fill, out.data - 1, kCount, 7);
  return sentence_of(cudaDeviceSynchronize());
}

template <MatrixMistake kMistake>
std::string matrices(dim3 block = kThreads) {
  constexpr int kNumbers = kSide * kSide;
  const Numbers out(kBlocks * 3 * kNumbers, kMistake != MatrixMistake::None);
  launch_on(nullptr, kBlocks, block, warp_product<kMistake>, out.data);
  return compare(out, [](int i) { return matrix_product(i / kNumbers, i % kSide, i / kSide % kSide); });
}

std::string four_at_once(int shift) {
  const Numbers in(4), out(8);
  launch_on(nullptr, 1, 32, vectors, static_cast<const int*>(in.data), out.data, shift);
  return compare(out, [](int i) { return i; });
}

std::string counts() {
  const Numbers out(2);
  launch(count_all, out.data);
  return compare(out, [](int i) { return i == 0 ? kCount : kCount - 1; });
}

std::string two_dimensions() {
  const Numbers out(12 * 10, false);
  launch_on(nullptr, dim3(3, 2), dim3(4, 5), grid_places, out.data);
  return compare(out, [](int i) { return 100 * (i / 12) + i % 12; });
}

std::string too_many_threads() {
  const Numbers out(kCount);
  launch_on(nullptr, 1, 1025, one_place, out.data);
  return sentence_of(cudaGetLastError());
}

int block_total(int block) {
  return sum_between(block * kThreads, (block + 1) * kThreads);
}
int turned(int i) {
  return i ^ 31;
}
int vote(int i) {
  const int lane = i % 32;  // the ends of a warp get their own
  return (lane == 0 ? 0 : lane - 1) + (lane == 31 ? 31 : lane + 1);
}

struct Example {
  const char* name;
  std::string (*run)();
};

const Example kExamples[] = {
    {"block sum", [] { return run_on_numbers(block_sum<true>, kBlocks, block_total); }},
    {"block sum without barriers", [] { return run_on_numbers(block_sum<false>, kBlocks, block_total); }},
    {"warp sum", [] { return run_on_numbers(warp_sum, 9, [](int w) { return sum_between(32 * w, 32 * w + 32); }); }},
    {"warp votes", [] { return run_on_numbers(warp_votes, kCount, vote); }},
    {"turn with syncwarp", [] { return run_on_numbers(warp_turn<true>, kCount, turned); }},
    {"turn without syncwarp", [] { return run_on_numbers(warp_turn<false>, kCount, turned); }},
    {"atomic counts", counts},
    {"two dimensions", two_dimensions},
    {"streams with an event", [] { return stream_example(true); }},
    {"streams without an event", [] { return stream_example(false); }},
    {"download", download_without_wait},
    {"one place for all blocks", [] { return run_with_output(one_place); }},
    {"leave before a barrier", [] { return run_with_output(leave_early); }},
    {"two barriers", [] { return run_with_output(two_barriers); }},
    {"unwritten shared memory", [] { return run_with_output(unwritten_shared); }},
    {"unwritten input",
     [] {
       const Numbers in(kCount, false), out(kCount);
       launch(copy, static_cast<const int*>(in.data), out.data);
       return sentence_of(cudaDeviceSynchronize());
     }},
    {"unwritten output", unwritten_output},
    {"lane left", [] { return run_with_output(lane_left); }},
    {"other masks", [] { return run_with_output(other_masks); }},
    {"lane at a barrier", [] { return run_with_output(lane_at_barrier); }},
    {"another thread's local", [] { return run_with_output(others_local); }},
    {"past the end", past_the_end},
    {"before the start", before_the_start},
    {"use after free", use_after_free},
    {"host memory", host_memory},
    {"too many threads", too_many_threads},
    {"four at once", [] { return four_at_once(0); }},
    {"four at once in an odd place", [] { return four_at_once(1); }},
    {"matrices", [] { return matrices<MatrixMistake::None>(); }},
    {"matrices in part of a warp", [] { return matrices<MatrixMistake::None>(kThreads - 12); }},
    {"matrix that a lane left", [] { return matrices<MatrixMistake::LaneLeft>(); }},
    {"matrix that is not aligned", [] { return matrices<MatrixMistake::Unaligned>(); }},
    {"matrix with a stride", [] { return matrices<MatrixMistake::Stride>(); }},
    {"matrices that differ", [] { return matrices<MatrixMistake::OtherMatrices>(); }},
    {"matrix without syncwarp", [] { return matrices<MatrixMistake::NoSyncwarp>(); }},
};

}  // namespace

const char* run_example(const char* name) {
  static std::string sentence;
  sentence = "no such example";
  for (const Example& example : kExamples) {
    if (std::strcmp(example.name, name) == 0) sentence = example.run();
  }
  return sentence.empty() ? nullptr : sentence.c_str();
}

}  // namespace cuda_on_cpu
