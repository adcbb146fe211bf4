/* SPDX-License-Identifier: Apache-2.0
 * exec_with ENTRY... -- PROGRAM [ARGUMENT...]
 * Execs PROGRAM with exactly these entries as its environment, in this order
 * and unchecked: one name may be there twice. */
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int i = 1;
  while (i < argc && strcmp(argv[i], "--") != 0) i++;
  if (i + 1 >= argc) return 2;
  argv[i] = NULL;
  execve(argv[i + 1], argv + i + 1, argv + 1);
  return 127;
}
