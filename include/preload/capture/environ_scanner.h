// SPDX-License-Identifier: Apache-2.0
// Finds the watched variables in an environment that is read in pieces.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "preload/capture/snapshot_format.h"
#include "preload/capture/watch_list.h"

namespace preload {

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
