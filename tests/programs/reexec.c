/* SPDX-License-Identifier: Apache-2.0
 * reexec N PREFIX: execs itself N times in one pid, each time with another
 * LD_PRELOAD: PREFIX and the number that is left. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char left[16], variable[4096];
  char *environment[] = {variable, NULL};
  char *again[] = {argv[0], left, argc > 2 ? argv[2] : "", NULL};
  int n = argc > 2 ? atoi(argv[1]) : 0;
  if (n <= 0) return 0;
  snprintf(left, sizeof left, "%d", n - 1);
  snprintf(variable, sizeof variable, "LD_PRELOAD=%s%d", argv[2], n);
  execve("/proc/self/exe", again, environment);
  return 1;
}
