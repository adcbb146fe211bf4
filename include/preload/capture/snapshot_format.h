// SPDX-License-Identifier: Apache-2.0
// The message that a listener writes into its ring for one exec: bytes as read
// from /proc. The listener copies them; the reader of the ring parses them.
//
//   offset  size  what (integers in host order)
//        0     1  kind: SnapshotKind
//        1     1  1 when watched strings are missing:
//        ExecSnapshot::env_truncated 2     2  not used 4     4  pid 8     8
//        CLOCK_MONOTONIC of the exec, ns
//       16        sections to the end, each
//                   0  1  what: Section
//                   1  3  length n, little-endian
//                   4  n  bytes as /proc gave them
//
// (Rejected: a struct of fixed fields. Values go up to 128 KiB and there may
// be thousands of them.)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "preload/capture/exec_snapshot.h"

namespace preload {

enum class SnapshotKind : uint8_t {
  kNothing,  // environment read, no watched variable; no sections
  kWatched,
  kUnread,  // environment could not be read, or not be kept; no sections
};

enum class Section : uint8_t {
  kEnv = 1,  // one watched NAME=value, any number of these
  kExe,      // target of /proc/PID/exe
  kCwd,      // target of /proc/PID/cwd
  kStat,     // /proc/PID/stat
  kStatus,   // /proc/PID/status
  kLoginuid,
  kSessionid,
  kCmdline,  // first kMaxCmdline bytes
  kAuxv,
  kCgroup,
};

inline constexpr size_t kSnapshotHeader = 16;
inline constexpr size_t kSectionHeader = 4;
// Enough for an analyst; longer command lines are in the audit event.
inline constexpr size_t kMaxCmdline = 32 * 1024;

// Writes one message into memory that somebody else owns. Never allocates.
// Sections are written one after the other: begin(), append() or room() with
// advance(), then end() or abandon(). One for which there is no space takes
// nothing; an empty one is left out.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(std::span<std::byte> space) : space_(space) {}

  // From now on sections may use the space except its last `bytes` bytes.
  void leave(size_t bytes) {
    limit_ = space_.size() - std::min(space_.size(), bytes);
  }

  void begin(Section what);
  // False when it does not fit; the section is then to be abandoned.
  bool append(std::string_view bytes);
  // The free space of the open section, to be read into.
  [[nodiscard]] std::span<char> room() const;
  void advance(size_t bytes) { size_ += bytes; }
  void end();
  void abandon() { size_ = section_; }
  void set_truncated() { truncated_ = true; }
  // The bytes of the open section. Valid as long as the space.
  [[nodiscard]] std::string_view section() const;
  // Of the message so far.
  [[nodiscard]] size_t size() const { return size_; }

  // Writes the header; gives the length of the whole message (only kWatched
  // keeps its sections), or 0 when the space is too small for even that.
  size_t finish(SnapshotKind kind, int32_t pid, uint64_t exec_ns);

 private:
  std::span<std::byte> space_;
  size_t limit_ = space_.size();
  size_t size_ = kSnapshotHeader;
  size_t section_ = kSnapshotHeader;  // where the open section begins
  bool truncated_ = false;
};

// What a listener reports of one exec: a message, parsed.
struct ExecNotice {
  SnapshotKind kind = SnapshotKind::kNothing;
  int32_t pid = 0;
  uint64_t exec_ns = 0;
  // Of kWatched. What could not be read keeps its default.
  std::unique_ptr<ExecSnapshot> snapshot;
};

// Nothing when `message` is shorter than a header.
[[nodiscard]] std::optional<ExecNotice> parse_notice(
    std::span<const std::byte> message);

}  // namespace preload
