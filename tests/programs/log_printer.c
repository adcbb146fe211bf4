/* SPDX-License-Identifier: Apache-2.0
 * log_printer SOCKET: stands in for a syslog daemon where there is none; prints
 * what is sent to the socket, without the priority. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  static char message[65536];
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  ssize_t n;
  if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) return 2;
  strcpy(address.sun_path, argv[1]);
  unlink(argv[1]);
  if (bind(fd, (struct sockaddr *)&address, sizeof address)) return 1;
  while ((n = read(fd, message, sizeof message - 1)) > 0) {
    message[n] = 0;
    const char *text = strchr(message, '>');
    printf("    %s\n", text ? text + 1 : message);
    fflush(stdout);
  }
  return 0;
}
