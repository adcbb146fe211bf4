// SPDX-License-Identifier: Apache-2.0
// The kernel's process-events connector: messages to and from it.
//
// A datagram of NETLINK_CONNECTOR, group CN_IDX_PROC (include/uapi/linux/
// connector.h, cn_proc.h; integers in host order):
//
//   offset  size  what
//        0    16  nlmsghdr
//       16    20  cn_msg; its id (idx, val) at 16 and 20
//       36     4  proc_event.what: 0 = acknowledgement, 2 = exec
//       40     4  cpu the message was sent from
//       44     8  CLOCK_MONOTONIC in ns
//       52     4  exec: pid of the task; acknowledgement: errno
//       56     4  exec: thread group id
//
// The layout is written here because the headers of Debian 12 lack the request
// of kernel 6.6 and later.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "preload/base/fd.h"
#include "preload/base/result.h"

namespace preload {

struct ExecMessage {
  int32_t pid = 0;  // thread group id
  uint64_t monotonic_ns = 0;
};

// Nothing when the datagram is not an exec event.
[[nodiscard]] std::optional<ExecMessage> parse_exec_message(
    std::span<const std::byte> datagram);

// Classic BPF that passes exec events of `cpus`, or with `inverted` those of
// all other CPUs. Older kernels send fork and exit events too: dropped here.
[[nodiscard]] std::vector<sock_filter> exec_filter(
    std::span<const unsigned> cpus, bool inverted);

// A socket that is subscribed to exec events. Kernels before 6.6 count
// listeners by request alone, and only by that of a process that still has
// CAP_NET_ADMIN; without the request to end the subscription the count stays,
// and each exec makes a message that finds no receiver.
class Connector {
 public:
  // `filter` passes what is received (everything when empty); the receive
  // buffer has `buffer_bytes` as far as the kernel grants it.
  static Result<Connector> open(std::span<sock_filter> filter,
                                int buffer_bytes);
  Connector(Connector&&) = default;
  Connector& operator=(Connector&&) = delete;
  // Ends the subscription.
  ~Connector();

  // Another filter in place of the socket's; needs no privilege.
  [[nodiscard]] Status set_filter(std::span<sock_filter> filter) const;
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  explicit Connector(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

// Subscribes once and waits up to a second for the kernel's answer. An error
// says why exec events are not available.
[[nodiscard]] Status probe_connector();

}  // namespace preload
