// SPDX-License-Identifier: Apache-2.0
// Finds the watched variables in an environment that is read in pieces.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "preload/capture/snapshot_format.h"

namespace preload {

// The names of `capture_env_vars`, made ready for matching. Immutable: threads
// share one without locks.
class WatchList {
 public:
  // Names as the configuration has them: exact, or a prefix followed by `*`.
  explicit WatchList(std::span<const std::string> names);

  bool operator==(const WatchList&) const = default;

  // True when the variable `name` is watched.
  [[nodiscard]] bool matches(std::string_view name) const;

  // False when no watched name begins with `byte`: the quick way past most
  // strings of an environment.
  [[nodiscard]] bool may_begin_with(char byte) const {
    return first_[static_cast<unsigned char>(byte)];
  }

 private:
  std::vector<std::string> exact_;
  std::vector<std::string> prefixes_;
  std::bitset<256> first_;
};

// An environment is NUL-terminated strings, by convention NAME=value
// (environ(7)). Strings may be of any length and number and may be cut by the
// pieces anywhere; the scanner itself has a fixed size and writes each watched
// string as a Section::kEnv. Never allocates.
//
// After kKeepAll bytes of a message, a string that equals one kept since then
// is left out, so that repeated values fill neither the ring nor the memory of
// the reader. Different strings are never left out. (The table of kept strings
// has one entry for each hash, so some repeated strings are kept.)
class EnvironScanner {
 public:
  static constexpr size_t kKeepAll = size_t{64} * 1024;

  EnvironScanner(const WatchList& watched, SnapshotWriter& out)
      : watched_(watched), out_(out) {}

  void feed(std::string_view piece);
  // The environment is at its end. A watched string without NUL counts.
  void finish();
  // It was cut: a string without NUL does not count.
  void cut();

  // Watched strings so far, and those of them that are in the message.
  [[nodiscard]] uint64_t watched() const { return found_; }
  [[nodiscard]] uint64_t kept() const { return kept_; }
  // Strings of the form NAME=value so far, watched or not. A block that is
  // not empty and has none was overwritten.
  [[nodiscard]] uint64_t pairs() const { return pairs_; }

 private:
  enum class State { kStart, kName, kSkip, kValue };

  std::string_view take_name(std::string_view piece);
  std::string_view take_value(std::string_view piece);
  std::string_view skip_string(std::string_view piece);
  void end_value();
  bool is_repeated();

  const WatchList& watched_;
  SnapshotWriter& out_;
  State state_ = State::kStart;
  std::array<char, 256> name_;  // longer names are never watched
  size_t name_size_ = 0;
  bool fits_ = true;
  bool counted_ = false;  // the present string is among pairs_
  uint64_t pairs_ = 0;
  uint64_t found_ = 0;
  uint64_t kept_ = 0;
  struct Kept {
    const char* data;
    size_t size;
  };
  std::array<Kept, 1024> table_;  // empty until `tabled_`
  bool tabled_ = false;
};

}  // namespace preload
