/* SPDX-License-Identifier: Apache-2.0
 * Execs its arguments through a descriptor: execveat with AT_EMPTY_PATH. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
  int fd = argc < 2 ? -1 : open(argv[1], O_PATH | O_CLOEXEC);
  if (fd < 0) return 126;
  syscall(SYS_execveat, fd, "", argv + 1, environ, 0x1000 /* AT_EMPTY_PATH */);
  return 127;
}
