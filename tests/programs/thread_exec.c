/* SPDX-License-Identifier: Apache-2.0
 * Execs its arguments from a second thread, with the environment it has. */
#include <pthread.h>
#include <unistd.h>

static void *run(void *argv) {
  execv(((char **)argv)[0], argv);
  _exit(127);
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc < 2 || pthread_create(&thread, 0, run, argv + 1)) return 126;
  pause();
  return 0;
}
