/* SPDX-License-Identifier: Apache-2.0
 * Mounts a FUSE file system on DIR that holds one file, `page`, and never
 * answers a read of it, nor its close, nor a look-up of any other name. Writes a
 * line to standard output when it is there, and one for each close that hangs
 * from then on. Ends when it is killed: then all who wait are let go, and the
 * mount is dead (umount -l). */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 2 }; /* its node; the root is 1 */

static void answer(int fd, uint64_t unique, int error, const void *data,
                   size_t size) {
  struct fuse_out_header head = {(uint32_t)(sizeof head + size), -error,
                                 unique};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)data, size}};
  if (writev(fd, parts, size ? 2 : 1) < 0 && errno != ENOENT) _exit(1);
}

static struct fuse_attr attributes(uint64_t node) {
  struct fuse_attr attr = {0};
  attr.ino = node;
  attr.mode = node == PAGE ? S_IFREG | 0444 : S_IFDIR | 0555;
  attr.size = node == PAGE ? 4096 : 0;
  attr.nlink = 1;
  attr.blksize = 4096;
  return attr;
}

static void say(const char *line) {
  if (write(1, line, strlen(line)) < 0) _exit(4);
}

static void serve(int fd, const struct fuse_in_header *in, const char *data) {
  switch (in->opcode) {
    case FUSE_INIT: {
      const struct fuse_init_in *init = (const void *)data;
      struct fuse_init_out out = {0};
      out.major = FUSE_KERNEL_VERSION;
      out.minor = init->minor;
      out.max_write = 4096;
      answer(fd, in->unique, 0, &out, sizeof out);
      break;
    }
    case FUSE_LOOKUP:
      if (strcmp(data, "page") == 0) {
        struct fuse_entry_out out = {0};
        out.nodeid = PAGE;
        out.attr_valid = out.entry_valid = 3600;
        out.attr = attributes(PAGE);
        answer(fd, in->unique, 0, &out, sizeof out);
      }
      break;
    case FUSE_GETATTR: {
      struct fuse_attr_out out = {0};
      out.attr_valid = 3600;
      out.attr = attributes(in->nodeid);
      answer(fd, in->unique, 0, &out, sizeof out);
      break;
    }
    case FUSE_OPEN:
    case FUSE_OPENDIR: {
      struct fuse_open_out out = {0};
      answer(fd, in->unique, 0, &out, sizeof out);
      break;
    }
    case FUSE_FLUSH:
      say("hangs\n");
      break;
    case FUSE_READ:
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
      break;
    default:
      answer(fd, in->unique, ENOSYS, NULL, 0);
  }
}

int main(int argc, char **argv) {
  static char request[1 << 20];
  char options[128];
  int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (argc != 2 || fd < 0) return 2;
  snprintf(options, sizeof options,
           "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
  if (mount("stuck", argv[1], "fuse.stuck", MS_NOSUID | MS_NODEV, options) != 0)
    return 3;
  say("ready\n");
  while (read(fd, request, sizeof request) > 0 || errno == EINTR ||
         errno == ENOENT) {
    const struct fuse_in_header *in = (const void *)request;
    serve(fd, in, request + sizeof *in);
  }
  return 0;
}
