// SPDX-License-Identifier: Apache-2.0
#include "faulty_vfs.h"

#include <stdexcept>

#include <sqlite3.h>

namespace preload {
namespace {

struct State {
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs vfs{};
  int64_t countdown = 0;  // 0 = no fault
  bool lasting = false;
  bool met = false;
  int write_code = SQLITE_FULL;
};
State state;

// Lies before the real file's object in the memory that SQLite gives.
struct File {
  sqlite3_file base;
};
sqlite3_file* real_of(sqlite3_file* file) {
  void* after = static_cast<void*>(
      static_cast<char*>(static_cast<void*>(file)) + sizeof(File));
  return static_cast<sqlite3_file*>(after);
}

bool fails() {
  if (state.countdown == 0)
    return false;
  if (state.countdown > 1) {
    --state.countdown;
    return false;
  }
  state.met = true;
  if (!state.lasting)
    state.countdown = 0;
  return true;
}

int close(sqlite3_file* file) {
  return real_of(file)->pMethods->xClose(real_of(file));
}
int read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  return real_of(file)->pMethods->xRead(real_of(file), to, size, offset);
}
int write(sqlite3_file* file, const void* from, int size,
          sqlite3_int64 offset) {
  if (fails())
    return state.write_code;
  return real_of(file)->pMethods->xWrite(real_of(file), from, size, offset);
}
int truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (fails())
    return SQLITE_IOERR_TRUNCATE;
  return real_of(file)->pMethods->xTruncate(real_of(file), size);
}
int sync(sqlite3_file* file, int flags) {
  if (fails())
    return SQLITE_IOERR_FSYNC;
  return real_of(file)->pMethods->xSync(real_of(file), flags);
}
int size_of(sqlite3_file* file, sqlite3_int64* size) {
  return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
int lock(sqlite3_file* file, int level) {
  return real_of(file)->pMethods->xLock(real_of(file), level);
}
int unlock(sqlite3_file* file, int level) {
  return real_of(file)->pMethods->xUnlock(real_of(file), level);
}
int check_lock(sqlite3_file* file, int* held) {
  return real_of(file)->pMethods->xCheckReservedLock(real_of(file), held);
}
int control(sqlite3_file* file, int what, void* argument) {
  return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}
int sector_size(sqlite3_file* file) {
  return real_of(file)->pMethods->xSectorSize(real_of(file));
}
int characteristics(sqlite3_file* file) {
  return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
int shm_map(sqlite3_file* file, int page, int size, int extend,
            void volatile** memory) {
  return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend,
                                          memory);
}
int shm_lock(sqlite3_file* file, int offset, int n, int flags) {
  return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}
void shm_barrier(sqlite3_file* file) {
  real_of(file)->pMethods->xShmBarrier(real_of(file));
}
int shm_unmap(sqlite3_file* file, int remove) {
  return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

constexpr sqlite3_io_methods kMethods = {2,
                                         close,
                                         read,
                                         write,
                                         truncate,
                                         sync,
                                         size_of,
                                         lock,
                                         unlock,
                                         check_lock,
                                         control,
                                         sector_size,
                                         characteristics,
                                         shm_map,
                                         shm_lock,
                                         shm_barrier,
                                         shm_unmap,
                                         nullptr,
                                         nullptr};

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags,
         int* out_flags) {
  file->pMethods = nullptr;
  const int code =
      state.real->xOpen(state.real, name, real_of(file), flags, out_flags);
  if (code == SQLITE_OK)
    file->pMethods = &kMethods;
  return code;
}

}  // namespace

FaultyDisk::FaultyDisk() {
  state = {};
  state.real = sqlite3_vfs_find(nullptr);
  if (state.real == nullptr)
    throw std::runtime_error("SQLite has no VFS");
  state.vfs = *state.real;
  state.vfs.zName = "faulty";
  state.vfs.szOsFile += static_cast<int>(sizeof(File));
  state.vfs.xOpen = open;
  sqlite3_vfs_register(&state.vfs, 1);
}

FaultyDisk::~FaultyDisk() {
  sqlite3_vfs_unregister(&state.vfs);
  sqlite3_vfs_register(state.real, 1);
}

void FaultyDisk::fail_at(int64_t nth, Fault fault, bool lasting) {
  state.countdown = nth;
  state.lasting = lasting;
  state.met = false;
  state.write_code = fault == Fault::kFull ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

void FaultyDisk::mend() {
  state.countdown = 0;
}

bool FaultyDisk::met() const {
  return state.met;
}

}  // namespace preload
