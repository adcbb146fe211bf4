/* SPDX-License-Identifier: Apache-2.0
 * alert_times COUNT SOCKET PROGRAM
 * Is the syslog daemon at SOCKET. Starts PROGRAM with a value that nobody has
 * used, waits for the message that has it, COUNT times. Prints the median, the
 * 99th percentile and the mean of that time in microseconds. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "percentiles.h"

/* Waits for a message that contains `value`. 0 when none comes. */
static int told(int fd, const char *value) {
  static char message[65536];
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  while (poll(&ready, 1, 30000) == 1) {
    ssize_t n = read(fd, message, sizeof message - 1);
    message[n > 0 ? n : 0] = 0;
    if (strstr(message, value)) return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char variable[64];
  char *environment[] = {variable, NULL};
  if (argc != 4 || strlen(argv[2]) >= sizeof address.sun_path) return 2;
  int count = atoi(argv[1]);
  double *us = calloc((size_t)count, sizeof *us);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  strcpy(address.sun_path, argv[2]);
  unlink(argv[2]);
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) return 1;
  signal(SIGCHLD, SIG_IGN);
  /* The first is not counted: it waits for the plugin to find the socket. */
  for (int i = -1; i < count; i++) {
    pid_t pid;
    sprintf(variable, "LD_PRELOAD=/bench/alert-%d-%d.so", (int)getpid(), i);
    double begin = now_us();
    if (posix_spawn(&pid, argv[3], NULL, NULL, argv + 3, environment) != 0)
      return 1;
    if (!told(fd, strchr(variable, '=') + 1)) {
      fprintf(stderr, "alert_times: no alert for %s\n", variable);
      return 1;
    }
    if (i >= 0) us[i] = now_us() - begin;
  }
  print_percentiles(us, count);
  return 0;
}
