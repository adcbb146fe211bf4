/* SPDX-License-Identifier: Apache-2.0
 * stuck_exec FILE [PROGRAM ...]: execs PROGRAM in a child when a byte comes on
 * standard input, and itself hangs for ever in the middle of an exec: closing
 * FILE, which is on stuck_fs, does not end. Who reads its environ, stat, auxv,
 * exe, cwd or root hangs as well. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char byte;
  char *again[] = {"/proc/self/exe", NULL};
  if (argc < 2) return 2;
  if (argc > 2 && fork() == 0) {
    if (read(0, &byte, 1) == 1) execv(argv[2], argv + 2);
    _exit(127);
  }
  if (open(argv[1], O_RDONLY | O_CLOEXEC) < 0) return 3;
  execv(again[0], again);
  return 127;
}
