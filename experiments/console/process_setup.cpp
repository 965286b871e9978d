// SPDX-License-Identifier: Apache-2.0
#include "experiments/console/process_setup.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <initializer_list>

#include "precision/rounding/float_environment.h"
#include "train/estimates/tensor_memory.h"

namespace precipice {
namespace {

std::atomic<bool> stop{false};
std::atomic<int> stop_signal{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

int exit_code_of(int signal) {
  return signal == SIGINT ? 130 : signal == SIGUSR2 ? kMoreToDo : 143;
}

void on_stop_signal(int signal) {
  if (stop.exchange(true)) {
    if (signal == SIGINT) _exit(exit_code_of(signal));
    return;
  }
  stop_signal = signal;
}

// A closed descriptor would be handed to the next file that is opened, and error messages would land in it. What fills
// it is open the wrong way round: reading from a closed input, or writing to a closed output, stays an error.
void fill_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
      open("/dev/null", descriptor == STDOUT_FILENO ? O_RDONLY : O_WRONLY);  // takes the lowest number that is free
}

void install_handler(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void set_up_process() {
  recycle_tensor_memory();
  // Other large arrays come and go as well: their memory stays with the process, since handing it back to the kernel
  // makes it clear every page again.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 1 << 24);
  fill_standard_descriptors();
  install_handler(SIGPIPE, SIG_IGN);
  install_handler(SIGXFSZ, SIG_IGN);
  check_float_environment();
}

void install_stop_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR2}) install_handler(signal, on_stop_signal);
}

const std::atomic<bool>& stop_requested() {
  return stop;
}

int stop_exit_code() {
  return exit_code_of(stop_signal);
}

}  // namespace precipice
