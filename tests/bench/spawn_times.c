/* SPDX-License-Identifier: Apache-2.0
 * spawn_times COUNT VARIABLE=VALUE PROGRAM
 * Spawns PROGRAM and waits for its end, COUNT times, one after the other.
 * Prints the median, the 99th percentile and the mean in microseconds. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "percentiles.h"

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int count = atoi(argv[1]);
  double *us = calloc((size_t)count, sizeof *us);
  char *environment[] = {argv[2], "PATH=/usr/bin:/bin", "HOME=/", NULL};
  for (int i = 0; i < count; i++) {
    pid_t pid;
    double begin = now_us();
    if (posix_spawn(&pid, argv[3], NULL, NULL, argv + 3, environment) != 0 ||
        waitpid(pid, NULL, 0) != pid)
      return 1;
    us[i] = now_us() - begin;
  }
  print_percentiles(us, count);
  return 0;
}
