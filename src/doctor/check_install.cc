// SPDX-License-Identifier: Apache-2.0
// What was installed: configuration, auditd's entry, binary, user.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "preload/base/text.h"
#include "preload/detect/rule.h"
#include "preload/doctor/check.h"
#include "preload/sandbox/privileges.h"

namespace preload {
namespace {

constexpr const char* kConfiguration = "configuration";
constexpr const char* kEntry = "auditd's plugin entry";
constexpr const char* kBinary = "plugin binary";
constexpr const char* kUser = "plugin's user";

struct Entry {
  std::string file;
  KeyValues settings;

  [[nodiscard]] std::string get(const std::string& key) const {
    return value_of(settings, key);
  }
  [[nodiscard]] bool active() const { return get("active") == "yes"; }
};

// Entries of `folder` that start a program of the plugin's name. auditd skips
// names with more than one dot.
std::vector<Entry> plugin_entries(const SystemProbe& probe,
                                  const std::string& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  std::filesystem::directory_iterator file(probe.at(folder), error);
  for (; !error && file != std::filesystem::directory_iterator();
       file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (std::count(name.begin(), name.end(), '.') != 1)
      continue;
    Entry entry{fmt::format("{}/{}", folder, name), {}};
    entry.settings = key_values(read_file(probe, entry.file).value_or(""), '=');
    if (basename_of(entry.get("path")) == "audisp-preload")
      entries.push_back(std::move(entry));
  }
  return entries;
}

// What is wrong with an active entry; empty: nothing.
std::string entry_fault(const Entry& entry) {
  constexpr std::array<std::pair<const char*, const char*>, 3> kNeeded{
      {{"direction", "out"}, {"type", "always"}, {"format", "string"}}};
  for (const auto& [key, value] : kNeeded)
    if (entry.get(key) != value)
      return fmt::format("has {} = {}, it must be {}", key, entry.get(key),
                         value);
  return "";
}

// The configuration file that the entry makes the plugin use.
std::string entry_config(const Entry& entry) {
  constexpr std::string_view kOption = "--config";
  const std::string args = entry.get("args");
  if (!args.starts_with(kOption) || args.size() == kOption.size())
    return "/etc/audit/audisp-preload.conf";
  return std::string(trimmed(args.substr(kOption.size() + 1)));
}

}  // namespace

void check_configuration(const SystemProbe& probe, Deployment& deployment,
                         CheckReport& report) {
  const std::string& file = deployment.config_file;
  auto config = load_config(probe.at(file));
  if (!config && probe.uid != 0 && config.error().code.value() == EACCES)
    return report.skipped(kConfiguration,
                          fmt::format("only root may read {}: the other checks "
                                      "use the defaults",
                                      file));
  if (config)
    if (const auto rule = make_rule(*config, file, 0); !rule)
      config = tl::unexpected(rule.error());
  if (!config)
    return report.failure(
        kConfiguration, config.error().message(),
        config.error().code.value() == ENOENT
            ? "install audisp-preload again: the plugin does not start "
              "without it"
            : "correct it: the plugin does not start with it, and a running "
              "one keeps the old; audisp-preload.conf(5) has every key");
  deployment.config = std::move(*config);
  deployment.config_known = true;
  struct stat status {};
  if (::stat(probe.at(file).c_str(), &status) == 0 &&
      (status.st_mode & S_IRWXO) != 0)
    return report.warning(
        kConfiguration,
        fmt::format("{} has mode {:04o}: every user can read the exceptions",
                    file, status.st_mode & 07777U),
        "chmod 0640 " + file);
  report.ok(kConfiguration, file);
}

void check_entry(const SystemProbe& probe, Deployment& deployment,
                 CheckReport& report) {
  const std::string folder =
      auditd_setting(probe, deployment, "plugin_dir", "/etc/audit/plugins.d");
  std::error_code error;
  const std::filesystem::directory_iterator readable(probe.at(folder), error);
  if (error && error.value() == EACCES)
    return report.skipped(kEntry, "only root may read " + folder);
  std::vector<Entry> entries = plugin_entries(probe, folder);
  if (entries.empty()) {
    deployment.entry_file = folder + "/preload.conf";
    return report.failure(
        kEntry, "no file in " + folder + " starts audisp-preload",
        "install " + deployment.entry_file + " again and " + kRestart);
  }
  std::stable_sort(
      entries.begin(), entries.end(),
      [](const Entry& a, const Entry& b) { return a.active() > b.active(); });
  const Entry& entry = entries[0];
  deployment.entry_file = entry.file;
  deployment.plugin_path = entry.get("path");
  deployment.entry_active = entry.active();
  if (entries.size() > 1 && entries[1].active())
    report.failure(
        kEntry,
        fmt::format("{} and {} both start audisp-preload, but one database "
                    "has one writer",
                    entry.file, entries[1].file),
        "remove one of them and " + std::string(kRestart));
  struct stat status {};
  ::stat(probe.at(entry.file).c_str(), &status);
  if (const auto flaw = find_flaw(probe, entry.file, status))
    return report.failure(kEntry, flaw->what, flaw->remedy);
  if (!entry.active())
    return report.failure(
        kEntry, entry.file + " is not active",
        std::string("set active = yes in it and ") + kRestart);
  if (const std::string fault = entry_fault(entry); !fault.empty())
    return report.failure(kEntry, entry.file + " " + fault,
                          std::string("correct it and ") + kRestart);
  if (const std::string config = entry_config(entry);
      config != deployment.config_file)
    return report.warning(
        kEntry,
        fmt::format("{} makes the plugin use {}, but --check uses {}",
                    entry.file, config, deployment.config_file),
        "run --check --config " + config);
  report.ok(kEntry, entry.file);
}

void check_binary(const SystemProbe& probe, Deployment& deployment,
                  CheckReport& report) {
  const std::string& path = deployment.plugin_path;
  struct stat status {};
  if (::lstat(probe.at(path).c_str(), &status) != 0)
    return report.failure(kBinary, path + " does not exist",
                          "install audisp-preload again");
  if (const auto flaw = find_flaw(probe, path, status))
    return report.failure(kBinary, flaw->what, flaw->remedy);
  // As auditd checks it: audit-userspace, audisp-pconfig.c.
  if ((status.st_mode & (S_IRWXU | S_IRWXG | S_IWOTH)) != 0750)
    return report.failure(
        kBinary,
        fmt::format("{} has mode {:04o}, auditd requires mode 0750", path,
                    status.st_mode & 07777U),
        "chmod 0750 " + path);
  report.ok(kBinary, path);
}

void check_user(const SystemProbe& probe, Deployment& deployment,
                CheckReport& report) {
  const std::string& name = deployment.config.user;
  // "NAME (uid N), capabilities ..."
  if (const std::string running = deployment.state["user"]; !running.empty()) {
    if (!running.starts_with(name + " ("))
      return report.warning(
          kUser,
          fmt::format("the plugin runs as {}, the configuration has user = {}",
                      running, name),
          kRestart);
    return report.ok(kUser, running);
  }
  const auto uid = uid_of(probe, name);
  if (!uid && !deployment.plugin)
    return report.failure(
        kUser,
        fmt::format("/etc/passwd has no user {}: the plugin does not start",
                    name),
        create_user_remedy(name));
  report.ok(kUser, uid ? fmt::format("{} (uid {})", name, *uid) : name);
}

}  // namespace preload
