// SPDX-License-Identifier: Apache-2.0
#include "preload/base/thread.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>

namespace preload {
namespace {

// struct sched_attr of sched_getattr(2): size, policy, flags, nice, priority,
// runtime, deadline, period.
struct Attributes {
  int32_t nice = 0;
  uint64_t slice_ns = 0;
};

Attributes attributes_of_thread() {
  std::array<unsigned char, 48> bytes{};
  EXPECT_EQ(::syscall(SYS_sched_getattr, 0, bytes.data(), bytes.size(), 0), 0);
  Attributes attributes;
  std::memcpy(&attributes.nice, &bytes[16], sizeof attributes.nice);
  std::memcpy(&attributes.slice_ns, &bytes[24], sizeof attributes.slice_ns);
  return attributes;
}

bool kernel_has_slices() {
  utsname name{};
  ::uname(&name);
  unsigned major = 0;
  unsigned minor = 0;
  std::sscanf(name.release, "%u.%u", &major, &minor);
  return major > 6 || (major == 6 && minor >= 12);
}

TEST(ThreadTest, ThreadsInheritShortTimeSlicesAndKeepTheirNiceValue) {
  if (!kernel_has_slices())
    GTEST_SKIP() << "Linux before 6.12 has no time slices by thread";
  Attributes attributes;
  start_thread("parent",
               [&] {
                 ::setpriority(PRIO_PROCESS, 0, 3);
                 request_short_time_slices();
                 start_thread("child",
                              [&] { attributes = attributes_of_thread(); }, {})
                     .join();
               },
               {})
      .join();
  EXPECT_EQ(attributes.slice_ns, 500'000u);
  EXPECT_EQ(attributes.nice, 3);
}

}  // namespace
}  // namespace preload
