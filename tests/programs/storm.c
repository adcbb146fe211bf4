/* SPDX-License-Identifier: Apache-2.0
 * storm COUNT PARALLEL VARIABLE=PREFIX PROGRAM [ARGUMENT...]
 * Runs PROGRAM COUNT times, PARALLEL at a time, each with an environment of
 * its own: VARIABLE=PREFIX followed by the number of the run. A PREFIX that
 * ends with '=' is used as it is, without the number. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  int count = atoi(argv[1]), parallel = atoi(argv[2]), running = 0;
  size_t length = strlen(argv[3]);
  int plain = argv[3][length - 1] == '=';
  char *variable = malloc(length + 16);
  char *environment[] = {variable, "PATH=/usr/bin:/bin", "HOME=/", NULL};
  for (int i = 0; i < count; i++) {
    pid_t pid;
    if (plain)
      sprintf(variable, "%.*s", (int)length - 1, argv[3]);
    else
      sprintf(variable, "%s%d", argv[3], i);
    if (running == parallel && wait(NULL) > 0) running--;
    if (posix_spawn(&pid, argv[4], NULL, NULL, argv + 4, environment) != 0)
      return 1;
    running++;
  }
  while (wait(NULL) > 0) {
  }
  return 0;
}
