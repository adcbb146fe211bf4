/* SPDX-License-Identifier: Apache-2.0
 * listener SOCKETS
 * The floor of what listening to execs costs: SOCKETS connector sockets, each
 * with a filter that passes one CPU's exec events, as audisp-preload has them.
 * A CPU of this machine gets a pinned SCHED_FIFO thread that receives its
 * messages and does nothing with them; the other sockets stand for CPUs that
 * this machine does not have. Prints "ready" and runs until it is killed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The layout is in include/preload/capture/proc_event.h. */
static void filter_cpu(int fd, unsigned cpu) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 36),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(2), 1, 0),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 40),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(cpu), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* The two-word request is that of Linux 6.6: exec events alone. */
static int subscribe(int fd, unsigned words) {
  struct {
    struct nlmsghdr netlink;
    struct cn_msg connector;
    unsigned request[2];
  } __attribute__((packed)) message = {.request = {PROC_CN_MCAST_LISTEN, 2}};
  size_t length = sizeof message - (2 - words) * sizeof(unsigned);
  message.netlink.nlmsg_len = (unsigned)length;
  message.netlink.nlmsg_type = NLMSG_DONE;
  message.connector.id.idx = CN_IDX_PROC;
  message.connector.id.val = CN_VAL_PROC;
  message.connector.len = (unsigned short)(words * sizeof(unsigned));
  return send(fd, &message, length, 0) == (ssize_t)length;
}

static int open_connector(unsigned cpu) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                .nl_groups = CN_IDX_PROC};
  int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_CONNECTOR);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address))
    return -1;
  filter_cpu(fd, cpu);
  return subscribe(fd, 1) && subscribe(fd, 2) ? fd : -1;
}

static void *receive(void *socket) {
  char message[512];
  while (recv((int)(long)socket, message, sizeof message, 0) != 0) {
  }
  return NULL;
}

static int start_thread(int fd, int cpu) {
  pthread_t thread;
  pthread_attr_t attributes;
  struct sched_param parameter = {.sched_priority = 20};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_attr_init(&attributes);
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
  pthread_attr_setschedparam(&attributes, &parameter);
  pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
  return pthread_create(&thread, &attributes, receive, (void *)(long)fd);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  int sockets = atoi(argv[1]), cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
  for (int cpu = 0; cpu < sockets; cpu++) {
    int fd = open_connector((unsigned)cpu);
    if (fd < 0 || (cpu < cpus && start_thread(fd, cpu) != 0)) {
      perror("listener");
      return 1;
    }
  }
  puts("ready");
  fflush(stdout);
  pause();
  return 0;
}
