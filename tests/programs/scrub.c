/* SPDX-License-Identifier: Apache-2.0
 * Overwrites its own environment at once, then waits to be looked at. */
#include <string.h>
#include <unistd.h>

extern char **environ;

int main(void) {
  for (char **e = environ; *e; e++) memset(*e, 0, strlen(*e));
  sleep(1);
  return 0;
}
