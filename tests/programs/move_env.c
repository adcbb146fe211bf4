/* SPDX-License-Identifier: Apache-2.0
 * Has /proc show another environment than its own, as anybody may, then waits
 * to be looked at. */
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Not in static data: a block in the pages of a file is not shown. */
static const char text[] = "LD_PRELOAD=/forged";

/* Fields of /proc/self/stat from `number` (from 3) on. */
static unsigned long field(const char *stat, int number) {
  const char *at = strrchr(stat, ')') + 2;
  for (int i = 3; at && i < number; i++) at = strchr(at, ' ') + 1;
  return strtoul(at, NULL, 10);
}

int main(void) {
  char stat[2048] = "";
  struct prctl_mm_map map = {0};
  char *forged = strdup(text);
  int fd = open("/proc/self/stat", O_RDONLY);
  if (fd < 0 || read(fd, stat, sizeof stat - 1) <= 0) return 1;
  map.start_code = field(stat, 26);
  map.end_code = field(stat, 27);
  map.start_stack = field(stat, 28);
  map.start_data = field(stat, 45);
  map.end_data = field(stat, 46);
  map.start_brk = field(stat, 47);
  map.brk = (unsigned long)sbrk(0);
  map.arg_start = field(stat, 48);
  map.arg_end = field(stat, 49);
  map.env_start = (unsigned long)forged;
  map.env_end = (unsigned long)(forged + sizeof text);
  map.exe_fd = (unsigned)-1;
  if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) != 0) return 2;
  sleep(1);
  return 0;
}
