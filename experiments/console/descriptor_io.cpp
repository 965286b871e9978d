// SPDX-License-Identifier: Apache-2.0
#include "experiments/console/descriptor_io.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "metrics/files/files.h"
#include "precision/base/check.h"

namespace precipice {
namespace {

// Whether the call is to be repeated, after waiting for a non-blocking descriptor.
bool try_again(int descriptor, short event) {
  if (errno == EINTR) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
  pollfd waiting{descriptor, event, 0};
  return poll(&waiting, 1, -1) >= 0 || errno == EINTR;
}

}  // namespace

std::size_t read_some(int descriptor, void* buffer, std::size_t size) {
  for (;;) {
    const ssize_t count = read(descriptor, buffer, size);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (!try_again(descriptor, POLLIN)) throw DataError("standard input: " + system_reason(errno));
  }
}

bool write_whole(int descriptor, const void* bytes, std::size_t size) {
  const char* next = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t count = write(descriptor, next, size);
    if (count < 0 && errno == EPIPE) return false;
    if (count < 0 && !try_again(descriptor, POLLOUT)) throw OutputError("standard output: " + system_reason(errno));
    if (count > 0) next += count, size -= static_cast<std::size_t>(count);
  }
  return true;
}

void widen_pipe(int descriptor) {
#ifdef F_SETPIPE_SZ
  fcntl(descriptor, F_SETPIPE_SZ, 1 << 20);
#else
  (void)descriptor;
#endif
}

}  // namespace precipice
