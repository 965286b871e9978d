// SPDX-License-Identifier: Apache-2.0
// Stacks are exchanged by _setjmp and _longjmp, which unlike swapcontext make no system call; makecontext begins them.
// The C library's check that a jump goes up the one stack there is does not fit that.
#undef _FORTIFY_SOURCE
#include "tests/support/cuda_on_cpu/block_threads.h"

#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>

#include "tests/support/cuda_on_cpu/device_memory.h"
#include "tests/support/cuda_on_cpu/run_time.h"

// With initial values: those without are taken for shared memory (access_check.cpp).
uint3 threadIdx{1, 1, 1}, blockIdx{1, 1, 1};
dim3 blockDim{1, 1, 1}, gridDim{1, 1, 1};

namespace cuda_on_cpu {
namespace {

constexpr std::size_t kStackBytes = std::size_t{128} << 10;
constexpr unsigned kWarp = 32;

// True in a kernel, not in what it calls here: of an inline function that both have, such as std::string's, the linker
// keeps one, which may be the one with calls at every access. Found without a call, although dlopen opens the library.
__attribute__((tls_model("initial-exec"))) thread_local bool is_on_device = false;

enum class State : std::uint8_t { Idle, AtBarrier, AtWarp };

// A stack, and the thread of the block that has it.
struct Fiber {
  Fiber()
      : stack(static_cast<char*>(
            mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (stack == MAP_FAILED) throw std::bad_alloc();
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() { munmap(stack, kStackBytes); }

  char* stack;
  ucontext_t context{};
  jmp_buf place{};
  bool entered = false;  // `place` is inside enter()
  State state = State::Idle;
  unsigned thread = 0;
  std::source_location at;  // where it waits
  // At a warp operation:
  unsigned mask = 0;
  bool orders_memory = false;
  std::uint64_t value = 0;
  WarpValues result{};
};

struct Warp {
  Fiber* waiting[kWarp] = {};
  unsigned ended = 0;  // bits of lanes
};

std::string text_of(const std::source_location& at) {
  const char* name = std::strrchr(at.file_name(), '/');
  return std::string(name != nullptr ? name + 1 : at.file_name()) + ":" + std::to_string(at.line());
}

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

uint3 index_of(unsigned number, const dim3& size) {
  return {number % size.x, number / size.x % size.y, number / size.x / size.y};
}

class Runner {
 public:
  void run(const Launch& launch);

  // Called by kernels.
  Fiber& current() { return *current_; }
  void wait(State state, const std::source_location& at);
  void look_at(const char* at, std::size_t bytes, Access access, std::size_t alignment);
  [[noreturn]] void end_thread(const std::string& problem);
  void enter();

 private:
  void run_block();
  void run_threads();
  void resume(Fiber& fiber);
  void begin(Fiber& fiber);
  Fiber& idle_fiber();
  void after(Fiber& fiber);
  void meet_in_warp(Fiber& fiber);
  bool agrees_with(const Fiber& fiber, const Fiber& other);
  void release_warp(const Warp& warp, unsigned lanes);
  void release_barrier();
  void make_runnable(const std::vector<Fiber*>& fibers);
  void fail(unsigned thread, const std::string& problem);

  const Launch* launch_ = nullptr;
  unsigned threads_ = 0, block_ = 0;  // threads of a block; the block that runs
  unsigned begun_ = 0;                // threads
  std::vector<unsigned> ended_;
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> idle_, at_barrier_;
  std::deque<Fiber*> runnable_;
  std::vector<Warp> warps_;
  int in_warps_ = 0;  // fibers that wait there
  std::unique_ptr<Order> thread_order_;
  KernelClock clock_;
  Fiber* current_ = nullptr;
  jmp_buf scheduler_{};
};

Runner& runner() {
  static auto* const one = new Runner;
  return *one;
}

// "Parameters = {...}" of a function's name, in g++'s and Clang's spelling.
std::string kernel_name(std::string_view function) {
  constexpr std::string_view kBefore = "Parameters = ";
  const std::size_t begin = function.find(kBefore);
  const std::size_t end = function.find("Arguments = ", begin == std::string_view::npos ? 0 : begin);
  if (begin == std::string_view::npos || end == std::string_view::npos) return "kernel";
  const std::size_t first = begin + kBefore.size() + 1;
  return "kernel of " + std::string(function.substr(first, end - first - 3));
}

void Runner::fail(unsigned thread, const std::string& problem) {
  report(kernel_name(launch_->name) + ": thread " + std::to_string(thread) + " of block " + std::to_string(block_) +
         " " + problem);
}

void Runner::wait(State state, const std::source_location& at) {
  Fiber* const self = current_;
  self->state = state;
  self->at = at;
  is_on_device = false;
  if (_setjmp(self->place) == 0) _longjmp(scheduler_, 1);
  is_on_device = self->state != State::Idle;
}

void Runner::enter() {
  for (;;) {
    run_threads();
    wait(State::Idle, std::source_location());
  }
}

void Runner::run_threads() {
  while (begun_ < threads_) {
    const auto thread = static_cast<unsigned>(thread_order_->at(begun_++));
    current_->thread = thread;
    clock_.thread = static_cast<std::uint16_t>(thread);
    threadIdx = index_of(thread, launch_->block);
    is_on_device = true;
    launch_->run_thread();
    is_on_device = false;
    ended_.push_back(current_->thread);
    warps_[current_->thread / kWarp].ended |= 1u << current_->thread % kWarp;
  }
}

void Runner::begin(Fiber& fiber) {
  fiber.entered = true;
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(
      &fiber.context, [] { runner().enter(); }, 0);
  setcontext(&fiber.context);
}

void Runner::resume(Fiber& fiber) {
  current_ = &fiber;
  clock_.thread = static_cast<std::uint16_t>(fiber.thread);
  threadIdx = index_of(fiber.thread, launch_->block);
  if (_setjmp(scheduler_) != 0) return;
  if (current_->entered) _longjmp(current_->place, 1);
  begin(*current_);
}

Fiber& Runner::idle_fiber() {
  if (idle_.empty()) {
    all_.push_back(std::make_unique<Fiber>());
    idle_.push_back(all_.back().get());
  }
  Fiber* const fiber = idle_.back();
  idle_.pop_back();
  return *fiber;
}

void Runner::make_runnable(const std::vector<Fiber*>& fibers) {
  const Order order(fibers.size());
  for (std::size_t i = 0; i < fibers.size(); ++i) runnable_.push_back(fibers[order.at(i)]);
}

void Runner::after(Fiber& fiber) {
  if (fiber.state == State::Idle) {
    idle_.push_back(&fiber);
  } else if (fiber.state == State::AtBarrier) {
    at_barrier_.push_back(&fiber);
  } else {
    meet_in_warp(fiber);
  }
}

bool Runner::agrees_with(const Fiber& fiber, const Fiber& other) {
  if (fiber.mask == other.mask && same_place(fiber.at, other.at)) return true;
  fail(fiber.thread, "is at a warp operation at " + text_of(fiber.at) + " whose mask names thread " +
                         std::to_string(other.thread) + ", which is at one at " + text_of(other.at) +
                         (fiber.mask != other.mask ? " with another mask" : ""));
  return false;
}

void Runner::meet_in_warp(Fiber& fiber) {
  Warp& warp = warps_[fiber.thread / kWarp];
  const unsigned first = fiber.thread / kWarp * kWarp, lane = fiber.thread % kWarp;
  const unsigned existing = threads_ - first >= kWarp ? ~0u : (1u << (threads_ - first)) - 1;
  const unsigned needed = fiber.mask & existing;
  warp.waiting[lane] = &fiber;
  ++in_warps_;
  if ((fiber.mask >> lane & 1u) == 0)
    return fail(fiber.thread, "is not in the mask of its warp operation at " + text_of(fiber.at));
  if ((needed & warp.ended) != 0)
    return fail(fiber.thread,
                "is at a warp operation at " + text_of(fiber.at) + " whose mask names a thread that ended");
  for (unsigned other = 0; other < kWarp; ++other) {
    if ((needed >> other & 1u) == 0) continue;
    if (warp.waiting[other] == nullptr) return;
    if (!agrees_with(fiber, *warp.waiting[other])) return;
  }
  release_warp(warp, needed);
}

void Runner::release_warp(const Warp& warp, unsigned lanes) {
  std::vector<Fiber*> fibers;
  WarpValues values{};
  values.lanes = lanes;
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    if ((lanes >> lane & 1u) == 0) continue;
    fibers.push_back(warp.waiting[lane]);
    values.value[lane] = warp.waiting[lane]->value;
  }
  Warp& own = warps_[fibers[0]->thread / kWarp];
  for (Fiber* fiber : fibers) {
    fiber->result = values;
    own.waiting[fiber->thread % kWarp] = nullptr;
    --in_warps_;
  }
  if (fibers[0]->orders_memory) clock_.warps[fibers[0]->thread / kWarp] = ++clock_.now;
  make_runnable(fibers);
}

void Runner::release_barrier() {
  if (in_warps_ > 0) {
    for (const Warp& warp : warps_) {
      for (const Fiber* fiber : warp.waiting) {
        if (fiber != nullptr)
          return fail(fiber->thread, "waits at a warp operation at " + text_of(fiber->at) +
                                         " for threads that ended or wait at a barrier");
      }
    }
  }
  const Fiber& first = *at_barrier_[0];
  if (!ended_.empty())
    return fail(ended_[0], "ended without the barrier at " + text_of(first.at) + ", where thread " +
                               std::to_string(first.thread) + " waits for it");
  for (const Fiber* fiber : at_barrier_) {
    if (!same_place(fiber->at, first.at))
      return fail(fiber->thread, "waits at the barrier at " + text_of(fiber->at) + " and thread " +
                                     std::to_string(first.thread) + " at that at " + text_of(first.at));
  }
  ++counters().barriers;
  clock_.barrier = ++clock_.now;
  make_runnable(at_barrier_);
  at_barrier_.clear();
}

void Runner::run_block() {
  clock_.block_began = clock_.barrier = ++clock_.now;
  clock_.warps.assign((threads_ + kWarp - 1) / kWarp, clock_.now);
  warps_.assign(clock_.warps.size(), Warp{});
  begun_ = 0;
  ended_.clear();
  thread_order_ = std::make_unique<Order>(threads_);
  while (!has_problem()) {
    Fiber* next = nullptr;
    if (!runnable_.empty()) {
      next = runnable_.front();
      runnable_.pop_front();
    } else if (begun_ < threads_) {
      next = &idle_fiber();
    }
    if (next != nullptr) {
      resume(*next);
      if (!has_problem()) after(*next);
    } else if (at_barrier_.empty() && in_warps_ == 0) {
      return;
    } else {
      release_barrier();
    }
  }
}

void Runner::run(const Launch& launch) {
  launch_ = &launch;
  threads_ = launch.block.x * launch.block.y * launch.block.z;
  blockDim = launch.block;
  gridDim = launch.grid;
  const unsigned blocks = launch.grid.x * launch.grid.y * launch.grid.z;
  const DeviceMemory::Opened opened;
  clock_.launch_began = ++clock_.now;
  const Order order(blocks);
  for (unsigned i = 0; i < blocks && !has_problem(); ++i) {
    block_ = static_cast<unsigned>(order.at(i));
    blockIdx = index_of(block_, launch.grid);
    run_block();
  }
  ++counters().launches;
  counters().threads += std::uint64_t{blocks} * threads_;
  if (!has_problem()) return;
  // What the stacks hold is given up.
  idle_.clear();
  at_barrier_.clear();
  runnable_.clear();
  in_warps_ = 0;
  for (const auto& fiber : all_) {
    fiber->entered = false;
    idle_.push_back(fiber.get());
  }
}

void Runner::look_at(const char* at, std::size_t bytes, Access access, std::size_t alignment) {
  if (at >= current_->stack && at + bytes <= current_->stack + kStackBytes) return;  // most are the thread's own
  is_on_device = false;
  const auto* parameters = reinterpret_cast<const char*>(launch_);
  const KernelMemory memory{current_->stack, current_->stack + kStackBytes, parameters, parameters + launch_->bytes};
  if (reinterpret_cast<std::uintptr_t>(at) % alignment != 0)
    end_thread("is at an access of " + std::to_string(bytes) + " bytes that is not aligned");
  if (!is_allowed(at, bytes, access, clock_, memory)) end_thread(problem_of(at, bytes, access, clock_));
  is_on_device = true;
}

void Runner::end_thread(const std::string& problem) {
  is_on_device = false;
  fail(current_->thread, problem);
  _longjmp(scheduler_, 1);  // over nothing that has a destructor but the sentence
}

}  // namespace

void run_launch(const Launch& launch) {
  runner().run(launch);
}

void look_at(const void* at, std::size_t bytes, Access access, std::size_t alignment) {
  if (is_on_device) runner().look_at(static_cast<const char*>(at), bytes, access, alignment);
}

void end_thread(const char* problem) {
  is_on_device = false;
  runner().end_thread(problem);
}

NotOnDevice::NotOnDevice() {
  is_on_device = false;
}
NotOnDevice::~NotOnDevice() {
  is_on_device = true;
}

void meet_block(const std::source_location& at) {
  runner().wait(State::AtBarrier, at);
}

WarpValues meet_warp(unsigned mask, std::uint64_t value, bool orders_memory, const std::source_location& at) {
  Fiber& self = runner().current();
  self.mask = mask;
  self.value = value;
  self.orders_memory = orders_memory;
  runner().wait(State::AtWarp, at);
  return self.result;
}

unsigned lane_index() {
  return runner().current().thread % kWarp;
}

std::uint64_t atomic_load(const void* from, std::size_t bytes) {
  look_at(from, bytes, Access::Atomic);
  std::uint64_t value = 0;
  std::memcpy(&value, from, bytes);
  return value;
}

void atomic_store(void* to, std::uint64_t value, std::size_t bytes) {
  std::memcpy(to, &value, bytes);
}

}  // namespace cuda_on_cpu
