/* SPDX-License-Identifier: Apache-2.0
 * cpu_of EXECS PROGRAM [ARGUMENT...]
 * Runs PROGRAM to its end, its output to nowhere. Prints its CPU time (user and
 * system) in microseconds, divided by EXECS. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct rusage used;
  int status;
  if (argc < 3) return 2;
  pid_t pid = fork();
  if (pid == 0) {
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    execv(argv[2], argv + 2);
    _exit(127);
  }
  if (wait4(pid, &status, 0, &used) != pid || status != 0) {
    fprintf(stderr, "cpu_of: %s: status %d\n", argv[2], status);
    return 1;
  }
  double us = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
              (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  printf("%.2f\n", us / atof(argv[1]));
  return 0;
}
