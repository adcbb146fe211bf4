// SPDX-License-Identifier: Apache-2.0
// A disk that fails on request, between SQLite and the real one.
#pragma once

#include <cstdint>

namespace preload {

// From now until it is destroyed every database that this process opens is on
// it. One at a time.
class FaultyDisk {
 public:
  enum class Fault { kFull, kIoError };

  FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;
  ~FaultyDisk();

  // The `nth` write, sync or truncation from now (from 1) fails, and with
  // `lasting` all that follow.
  void fail_at(int64_t nth, Fault fault, bool lasting);
  // Fails no more.
  void mend();
  // True when a fault was met since fail_at().
  [[nodiscard]] bool met() const;
};

}  // namespace preload
