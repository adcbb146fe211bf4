// SPDX-License-Identifier: Apache-2.0
#include "preload/capture/proc_event.h"

#include <arpa/inet.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace preload {
namespace {

constexpr size_t kIdxOffset = 16;
constexpr size_t kWhatOffset = 36;
constexpr size_t kCpuOffset = 40;
constexpr size_t kTimeOffset = 44;
constexpr size_t kPidOffset = 52;
constexpr size_t kTgidOffset = 56;
constexpr size_t kExecEnd = 60;
constexpr uint32_t kWhatAck = 0;
constexpr uint32_t kWhatExec = 2;

template <class T>
T load(std::span<const std::byte> bytes, size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

bool from_proc_connector(std::span<const std::byte> datagram) {
  return datagram.size() >= kTgidOffset &&
         load<uint32_t>(datagram, kIdxOffset) == CN_IDX_PROC;
}

// One request: `words` is the operation, then (6.6 and later) the event mask.
bool send_request(int fd, std::span<const uint32_t> words) {
  std::array<std::byte, NLMSG_HDRLEN + sizeof(cn_msg) + 8> message{};
  const size_t data = words.size_bytes();
  nlmsghdr netlink{};
  netlink.nlmsg_len =
      static_cast<uint32_t>(NLMSG_HDRLEN + sizeof(cn_msg) + data);
  netlink.nlmsg_type = NLMSG_DONE;
  netlink.nlmsg_pid = static_cast<uint32_t>(::getpid());
  cn_msg connector{};
  connector.id.idx = CN_IDX_PROC;
  connector.id.val = CN_VAL_PROC;
  connector.len = static_cast<uint16_t>(data);
  std::memcpy(message.data(), &netlink, sizeof netlink);
  std::memcpy(message.data() + NLMSG_HDRLEN, &connector, sizeof connector);
  std::memcpy(message.data() + NLMSG_HDRLEN + sizeof connector, words.data(),
              data);
  return ::send(fd, message.data(), netlink.nlmsg_len, 0) ==
         static_cast<ssize_t>(netlink.nlmsg_len);
}

// The one-word request works everywhere. The two-word one then narrows the
// subscription where it is known and is ignored where it is not.
Status subscribe(int fd) {
  const std::array<uint32_t, 2> request{PROC_CN_MCAST_LISTEN,
                                        1U << 1 /* PROC_EVENT_EXEC */};
  if (!send_request(fd, std::span(request).first(1)) ||
      !send_request(fd, request))
    return fail("cannot subscribe to the process connector", errno);
  return {};
}

Status attach(const Fd& socket, std::span<sock_filter> filter) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(filter.size());
  program.filter = filter.data();
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program,
                   sizeof program) != 0)
    return fail("cannot filter the process connector", errno);
  return {};
}

sock_filter load_word(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}

// BPF loads words big-endian, the fields are host-endian.
sock_filter skip_unless(uint32_t value, uint8_t instructions) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(value), 0, instructions);
}

sock_filter verdict(bool pass) {
  return BPF_STMT(BPF_RET | BPF_K, pass ? UINT32_MAX : 0);
}

}  // namespace

std::optional<ExecMessage> parse_exec_message(
    std::span<const std::byte> datagram) {
  if (!from_proc_connector(datagram) || datagram.size() < kExecEnd ||
      load<uint32_t>(datagram, kWhatOffset) != kWhatExec)
    return std::nullopt;
  ExecMessage message;
  message.pid = load<int32_t>(datagram, kTgidOffset);
  message.monotonic_ns = load<uint64_t>(datagram, kTimeOffset);
  return message;
}

std::vector<sock_filter> exec_filter(std::span<const unsigned> cpus,
                                     bool inverted) {
  std::vector<sock_filter> filter{load_word(kWhatOffset)};
  // An exec skips the drop that is next.
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(kWhatExec), 1, 0));
  filter.push_back(verdict(false));
  filter.push_back(load_word(kCpuOffset));
  for (unsigned cpu : cpus) {
    filter.push_back(skip_unless(cpu, 1));
    filter.push_back(verdict(!inverted));
  }
  filter.push_back(verdict(inverted));
  return filter;
}

Result<Connector> Connector::open(std::span<sock_filter> filter,
                                  int buffer_bytes) {
  Fd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR));
  if (!fd)
    return fail("the kernel offers no process connector (CONFIG_PROC_EVENTS)",
                errno);
  if (!filter.empty())
    if (const Status set = attach(fd, filter); !set)
      return tl::unexpected(set.error());
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = CN_IDX_PROC;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
             sizeof address) != 0)
    return fail(
        "cannot join the process connector (needs CAP_NET_ADMIN in "
        "the initial user namespace)",
        errno);
  // Beyond the system's limit (rmem_max) where privileges allow it.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes,
                   sizeof buffer_bytes) != 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes,
                 sizeof buffer_bytes);
  if (const Status subscribed = subscribe(fd.get()); !subscribed)
    return tl::unexpected(subscribed.error());
  return Connector(std::move(fd));
}

Status Connector::set_filter(std::span<sock_filter> filter) const {
  return attach(socket_, filter);
}

Connector::~Connector() {
  const std::array<uint32_t, 1> request{PROC_CN_MCAST_IGNORE};
  if (socket_)
    send_request(socket_.get(), request);
}

Status probe_connector() {
  constexpr int kBuffer = 256 << 10;
  const auto connector = Connector::open({}, kBuffer);
  if (!connector)
    return tl::unexpected(connector.error());
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + std::chrono::seconds(1);
  while (steady_clock::now() < deadline) {
    pollfd ready{connector->fd(), POLLIN, 0};
    if (::poll(&ready, 1, 100) <= 0)
      continue;
    std::array<std::byte, 512> buffer;
    const ssize_t n = ::recv(connector->fd(), buffer.data(), buffer.size(), 0);
    if (n < 0)
      continue;
    const auto datagram = std::span(buffer).first(static_cast<size_t>(n));
    if (!from_proc_connector(datagram) ||
        load<uint32_t>(datagram, kWhatOffset) != kWhatAck)
      continue;
    if (const auto error = load<uint32_t>(datagram, kPidOffset); error != 0)
      return fail("the process connector refuses the subscription",
                  static_cast<int>(error));
    return {};
  }
  return fail(
      "the process connector does not answer (a container? It needs the "
      "initial user and pid namespaces)");
}

}  // namespace preload
