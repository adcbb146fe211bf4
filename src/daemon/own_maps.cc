// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/own_maps.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <link.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "preload/base/text.h"
#include "preload/base/trusted_file.h"

namespace preload {
namespace {

constexpr size_t kMaxMaps = size_t{1} << 20;
constexpr std::array<std::string_view, 3> kLibraryFolders{"/lib", "/usr/lib",
                                                          "/usr/local/lib"};
constexpr std::array<const char*, 3> kLoaderVariables{"LD_PRELOAD", "LD_AUDIT",
                                                      "LD_LIBRARY_PATH"};

// Of the dynamic section: on most machines the loader has turned the string
// table's offset into an address.
void read_dynamic(const ElfW(Dyn) * dynamic, uintptr_t base,
                  LoadedObject& object) {
  const char* strings = nullptr;
  for (const auto* entry = dynamic; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag != DT_STRTAB)
      continue;
    const uintptr_t at = entry->d_un.d_ptr;
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    strings = reinterpret_cast<const char*>(at < base ? base + at : at);
  }
  if (strings == nullptr)
    return;
  for (const auto* entry = dynamic; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_NEEDED)
      object.needed.emplace_back(strings + entry->d_un.d_val);
    if (entry->d_tag == DT_SONAME)
      object.name = strings + entry->d_un.d_val;
  }
}

int add_object(dl_phdr_info* info, size_t /*size*/, void* result) {
  auto& objects = *static_cast<std::vector<LoadedObject>*>(result);
  LoadedObject object;
  const uintptr_t base = info->dlpi_addr;
  std::optional<uintptr_t> first;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    const uintptr_t at = base + header.p_vaddr;
    if (header.p_type == PT_LOAD)
      first = std::min(first.value_or(at), at);
    // NOLINTBEGIN(performance-no-int-to-ptr)
    if (header.p_type == PT_INTERP)
      object.interpreter = basename_of(reinterpret_cast<const char*>(at));
    if (header.p_type == PT_DYNAMIC)
      read_dynamic(reinterpret_cast<const ElfW(Dyn)*>(at), base, object);
    // NOLINTEND(performance-no-int-to-ptr)
  }
  object.address = first.value_or(0);
  if (object.name.empty() && !objects.empty())
    object.name = basename_of(info->dlpi_name);
  objects.push_back(std::move(object));
  return 0;
}

// A mapped file: where, and whether any of it is code.
struct MappedFile {
  std::vector<std::pair<uintptr_t, uintptr_t>> ranges;
  bool code = false;

  [[nodiscard]] bool holds(uintptr_t address) const {
    return std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
      return range.first <= address && address < range.second;
    });
  }
};

// start-end perms offset major:minor inode      path
std::map<std::string, MappedFile> mapped_files(std::string_view maps) {
  std::map<std::string, MappedFile> files;
  for (const std::string& line : split(maps, '\n')) {
    std::istringstream fields(line);
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char dash = 0;
    std::string perms;
    std::string skipped;
    std::string path;
    fields >> std::hex >> begin >> dash >> end >> perms >> skipped >> skipped >>
        skipped;
    std::getline(fields >> std::ws, path);
    if (!path.starts_with('/'))
      continue;
    MappedFile& file = files[path];
    file.ranges.emplace_back(begin, end);
    file.code |= perms.find('x') != std::string::npos;
  }
  return files;
}

// Names that the program needs, and what they need.
std::set<std::string> needed_names(const std::vector<LoadedObject>& objects) {
  std::set<std::string> names;
  if (objects.empty())
    return names;
  std::vector<std::string> open = objects.front().needed;
  open.push_back(objects.front().interpreter);
  while (!open.empty()) {
    const std::string name = std::move(open.back());
    open.pop_back();
    if (!names.insert(name).second)
      continue;
    for (const LoadedObject& object : objects)
      if (object.name == name)
        open.insert(open.end(), object.needed.begin(), object.needed.end());
  }
  return names;
}

bool in_library_folder(std::string_view path) {
  return std::any_of(
      kLibraryFolders.begin(), kLibraryFolders.end(), [&](auto folder) {
        // /lib64 and /usr/lib32 as well
        return path.starts_with(folder) &&
               path.find('/', folder.size()) != std::string_view::npos &&
               path.find('/', folder.size()) <= folder.size() + 3;
      });
}

// Why a file with code does not belong here; empty: it does.
std::string fault_of(const std::string& path, const LoadedObject* object,
                     const std::set<std::string>& needed) {
  if (path.ends_with(" (deleted)"))
    return "its file is gone";
  if (object == nullptr)
    return "the program's loader has not loaded it";
  if (!needed.contains(object->name))
    return "no library of ours needs it";
  if (!in_library_folder(path))
    return "not in a library folder of the system";
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return "its file is gone";
  const std::array<uid_t, 1> root{0};
  if (const auto flaw = find_flaw("it", status, root))
    return flaw->what;
  return "";
}

}  // namespace

std::vector<LoadedObject> loaded_objects() {
  std::vector<LoadedObject> objects;
  ::dl_iterate_phdr(add_object, &objects);
  return objects;
}

std::vector<std::string> foreign_libraries(
    std::string_view maps, const std::vector<LoadedObject>& objects) {
  const std::set<std::string> needed = needed_names(objects);
  std::vector<std::string> found;
  for (const auto& entry : mapped_files(maps)) {
    const std::string& path = entry.first;
    const MappedFile& file = entry.second;
    if (!file.code)
      continue;
    const auto object = std::find_if(
        objects.begin(), objects.end(),
        [&](const LoadedObject& o) { return file.holds(o.address); });
    if (object != objects.end() && object == objects.begin())
      continue;  // the program
    const std::string fault =
        fault_of(path, object == objects.end() ? nullptr : &*object, needed);
    if (!fault.empty())
      found.push_back(fmt::format("{} ({})", escaped(path), fault));
  }
  return found;
}

std::vector<std::string> look_at_ourselves() {
  std::vector<std::string> found;
  const Fd maps(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
  if (const auto text = read_all(maps, kMaxMaps, "maps"))
    found = foreign_libraries(*text, loaded_objects());
  // One thread as yet.
  for (const char* name : kLoaderVariables)
    if (const char* value = ::getenv(name))  // NOLINT(concurrency-mt-unsafe)
      found.push_back(fmt::format("{}={} (in the environment of auditd)", name,
                                  escaped(value)));
  return found;
}

std::string in_words(const std::vector<std::string>& found) {
  if (found.empty())
    return "";
  return fmt::format(
      "what does not belong is loaded into this plugin: {}. Find out who put "
      "it there (the environment of auditd, /etc/ld.so.preload), remove it and "
      "restart auditd",
      fmt::join(found, "; "));
}

}  // namespace preload
