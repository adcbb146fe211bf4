/* SPDX-License-Identifier: Apache-2.0
 * exec_stream FILE COUNT VARIABLE=PREFIX
 * Starts COUNT processes that stay, each with an environment of its own (as
 * storm does it: the number follows the PREFIX unless that ends with '='), and
 * writes to FILE the audit records of their execs, as auditd would have passed
 * them on. Prints "ready" and keeps the processes until it is killed: a plugin
 * that is fed FILE finds every environment in /proc. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* As auditd 3.0.9 passes on the exec of a static program (ENRICHED). */
static void write_event(FILE *out, const char *exe, int serial, int pid) {
  struct timespec now;
  char head[64];
  clock_gettime(CLOCK_REALTIME, &now);
  sprintf(head, "msg=audit(%ld.%03ld:%d):", (long)now.tv_sec,
          now.tv_nsec / 1000000, serial);
  fprintf(out,
          "type=SYSCALL %s arch=c000003e syscall=59 success=yes exit=0 "
          "a0=55e3c5a0 a1=55e3c5b8 a2=55e3c5c8 a3=8 items=1 ppid=%d pid=%d "
          "auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 "
          "tty=pts0 ses=3 comm=\"stay\" exe=\"%s\" subj=unconfined "
          "key=\"preload-exec\"\x1d"
          "ARCH=x86_64 SYSCALL=execve AUID=\"bob\" UID=\"root\" GID=\"root\" "
          "EUID=\"root\" SUID=\"root\" FSUID=\"root\" EGID=\"root\" "
          "SGID=\"root\" FSGID=\"root\"\n",
          head, (int)getpid(), pid, exe);
  fprintf(out, "type=EXECVE %s argc=2 a0=\"%s\" a1=\"stay\"\n", head, exe);
  fprintf(out, "type=CWD %s cwd=\"/root\"\n", head);
  fprintf(out,
          "type=PATH %s item=0 name=\"%s\" inode=1837 dev=fe:00 mode=0100755 "
          "ouid=0 ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 "
          "cap_fver=0 cap_frootid=0\x1dOUID=\"root\" OGID=\"root\"\n",
          head, exe);
  fprintf(out, "type=PROCTITLE %s proctitle=2F62696E2F74727565\n", head);
  fprintf(out, "type=EOE %s \n", head);
}

static int stay(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(STDERR_FILENO); /* tells the parent that the exec is over */
  pause();
  return 0;
}

int main(int argc, char **argv) {
  static char exe[4096];
  if (argc == 2 && strcmp(argv[1], "stay") == 0) return stay();
  if (argc != 4) return 2;
  FILE *out = fopen(argv[1], "w");
  int count = atoi(argv[2]);
  size_t length = strlen(argv[3]);
  int plain = argv[3][length - 1] == '=';
  char *variable = malloc(length + 16), byte;
  char *environment[] = {variable, "PATH=/usr/bin:/bin", "HOME=/", NULL};
  char *arguments[] = {exe, "stay", NULL};
  if (!out || readlink("/proc/self/exe", exe, sizeof exe - 1) < 0) return 1;
  for (int i = 0; i < count; i++) {
    int ends[2];
    if (plain)
      sprintf(variable, "%.*s", (int)length - 1, argv[3]);
    else
      sprintf(variable, "%s%d", argv[3], i);
    if (pipe(ends)) return 1;
    pid_t pid = fork();
    if (pid < 0) return 1;
    if (pid == 0) {
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      close(ends[1]);
      execve(exe, arguments, environment);
      _exit(127);
    }
    close(ends[1]);
    while (read(ends[0], &byte, 1) > 0) {
    }
    close(ends[0]);
    write_event(out, exe, 100 + i, pid);
  }
  if (fclose(out)) return 1;
  puts("ready");
  fflush(stdout);
  pause();
  return 0;
}
