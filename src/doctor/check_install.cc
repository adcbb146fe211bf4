// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/check_install.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <utility>

#include "preload/base/text.h"
#include "preload/detect/rule.h"
#include "preload/doctor/check_auditd.h"

namespace preload {
namespace {

constexpr size_t kMostArguments = 2;  // auditd's own bound

constexpr const char* kConfiguration = "configuration";
constexpr const char* kEntry = "auditd's plugin entry";
constexpr const char* kBinary = "plugin binary";

struct Entry {
  std::string file;
  std::string path;
  bool active = false;
  std::string direction;
  std::string type;
  std::string format;
  std::vector<std::string> arguments;
  std::string malformed;  // a line that auditd does not take
};

Entry parse_entry(const std::string& file, const std::string& text) {
  Entry entry;
  entry.file = file;
  for (const std::string& line : split(text, '\n'))
    if (!line.empty() && !line.starts_with('#') &&
        line.find(" = ") == std::string::npos)
      entry.malformed = line;
  for (const auto& [key, value] : key_values(text)) {
    if (key == "active")
      entry.active = value == "yes";
    else if (key == "direction")
      entry.direction = value;
    else if (key == "path")
      entry.path = value;
    else if (key == "type")
      entry.type = value;
    else if (key == "format")
      entry.format = value;
    else if (key == "args")
      for (std::string& word : split(value, ' '))
        if (!word.empty())
          entry.arguments.push_back(std::move(word));
  }
  return entry;
}

// Entries of `folder` that start a program of our name. auditd skips names
// with more than one dot.
std::vector<Entry> our_entries(const SystemProbe& probe,
                               const std::string& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  std::filesystem::directory_iterator file(probe.at(folder), error);
  for (; !error && file != std::filesystem::directory_iterator();
       file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (std::count(name.begin(), name.end(), '.') != 1)
      continue;
    const std::string path = fmt::format("{}/{}", folder, name);
    const auto text = read_file(probe, path);
    if (!text)
      continue;
    Entry entry = parse_entry(path, *text);
    if (basename_of(entry.path) == "audisp-preload")
      entries.push_back(std::move(entry));
  }
  return entries;
}

// What is wrong with an active entry; empty: nothing.
std::string entry_fault(const Entry& entry) {
  if (!entry.malformed.empty())
    return fmt::format("has the line \"{}\", auditd wants blanks around the =",
                       entry.malformed);
  if (!entry.direction.empty() && entry.direction != "out")
    return "has direction = " + entry.direction + ", it must be out";
  if (!entry.type.empty() && entry.type != "always")
    return "has type = " + entry.type + ", it must be always";
  if (entry.format != "string")
    return "has format = " + entry.format + ", it must be string";
  if (entry.arguments.size() > kMostArguments)
    return fmt::format("has {} arguments, auditd passes on two at most",
                       entry.arguments.size());
  return "";
}

// The configuration file that the entry makes the plugin use.
std::string entry_config(const Entry& entry) {
  constexpr std::string_view kOption = "--config=";
  for (size_t i = 0; i < entry.arguments.size(); ++i) {
    if (entry.arguments[i].starts_with(kOption))
      return entry.arguments[i].substr(kOption.size());
    if (entry.arguments[i] == "--config" && i + 1 < entry.arguments.size())
      return entry.arguments[i + 1];
  }
  return "/etc/audit/audisp-preload.conf";
}

void judge_entry(const SystemProbe& probe, const Entry& entry,
                 Deployment& deployment, Findings& findings) {
  deployment.entry_file = entry.file;
  deployment.plugin_path = entry.path;
  deployment.entry_active = entry.active;
  struct stat status {};
  if (::stat(probe.at(entry.file).c_str(), &status) == 0) {
    deployment.entry_changed_us = status.st_mtim.tv_sec * kMicrosPerSecond;
    if (const auto flaw = find_flaw(probe, entry.file, status)) {
      findings.push_back(broken(kEntry, flaw->what, flaw->mend));
      return;
    }
  }
  if (!entry.active) {
    findings.push_back(
        broken(kEntry, entry.file + " is not active",
               std::string("set active = yes in it and ") + kRestart));
    return;
  }
  if (const std::string fault = entry_fault(entry); !fault.empty()) {
    findings.push_back(broken(kEntry, entry.file + " " + fault,
                              std::string("correct it and ") + kRestart));
    return;
  }
  if (const std::string config = entry_config(entry);
      config != deployment.config_file) {
    findings.push_back(
        warning(kEntry,
                fmt::format("{} makes the plugin use {}, this check is of {}",
                            entry.file, config, deployment.config_file),
                "check that one: --check --config " + config));
    return;
  }
  findings.push_back(good(kEntry, entry.file));
}

}  // namespace

void check_configuration(const SystemProbe& probe, Deployment& deployment,
                         Findings& findings) {
  const std::string& file = deployment.config_file;
  auto config = load_config(probe.at(file));
  if (!config && probe.uid != 0 && config.error().code.value() == EACCES) {
    findings.push_back(unknown(kConfiguration, "only root may read " + file +
                                                   ": what follows is checked "
                                                   "against the defaults"));
    return;
  }
  if (config)
    if (const auto rule = make_rule(*config, file, 0); !rule)
      config = tl::unexpected(rule.error());
  if (!config && config.error().code.value() == ENOENT) {
    findings.push_back(broken(kConfiguration, config.error().message(),
                              "install audisp-preload again: the plugin does "
                              "not start without it"));
    return;
  }
  if (!config) {
    findings.push_back(
        broken(kConfiguration, config.error().message(),
               "correct it: the plugin does not start with it, and a running "
               "one keeps the old; audisp-preload.conf(5) has every key"));
    return;
  }
  deployment.config = std::move(*config);
  deployment.config_known = true;
  struct stat status {};
  if (::stat(probe.at(file).c_str(), &status) == 0 &&
      (status.st_mode & S_IRWXO) != 0)
    findings.push_back(warning(
        kConfiguration,
        fmt::format("{} has mode {:04o}: everybody sees what is excepted", file,
                    status.st_mode & 07777U),
        "chmod 0640 " + file));
  else
    findings.push_back(good(kConfiguration, file));
}

void check_entry(const SystemProbe& probe, Deployment& deployment,
                 Findings& findings) {
  const std::string folder =
      auditd_setting(probe, deployment, "plugin_dir", "/etc/audit/plugins.d");
  std::error_code error;
  const std::filesystem::directory_iterator readable(probe.at(folder), error);
  if (error && error.value() == EACCES) {
    findings.push_back(unknown(kEntry, "only root may read " + folder));
    return;
  }
  std::vector<Entry> entries = our_entries(probe, folder);
  if (entries.empty()) {
    deployment.entry_file = folder + "/preload.conf";
    findings.push_back(
        broken(kEntry, "no file in " + folder + " starts audisp-preload",
               "install " + deployment.entry_file + " again and " + kRestart));
    return;
  }
  std::stable_sort(
      entries.begin(), entries.end(),
      [](const Entry& a, const Entry& b) { return a.active > b.active; });
  if (entries.size() > 1 && entries[1].active)
    findings.push_back(broken(
        kEntry,
        fmt::format("{} and {} both start audisp-preload, they would fight "
                    "over the database",
                    entries[0].file, entries[1].file),
        "remove one of them and " + std::string(kRestart)));
  judge_entry(probe, entries[0], deployment, findings);
}

void check_binary(const SystemProbe& probe, Deployment& deployment,
                  Findings& findings) {
  const std::string& path = deployment.plugin_path;
  struct stat status {};
  if (::lstat(probe.at(path).c_str(), &status) != 0) {
    if (errno == EACCES)
      findings.push_back(unknown(kBinary, "cannot look at " + path));
    else
      findings.push_back(broken(kBinary, path + " is not there",
                                "install audisp-preload again"));
    return;
  }
  if (!S_ISREG(status.st_mode)) {
    findings.push_back(
        broken(kBinary, path + " is not a regular file, auditd refuses it",
               "install audisp-preload again"));
    return;
  }
  if (const auto flaw = find_flaw(probe, path, status)) {
    findings.push_back(broken(kBinary, flaw->what, flaw->mend));
    return;
  }
  // As auditd checks it: audit-userspace, audisp-pconfig.c.
  if ((status.st_mode & (S_IRWXU | S_IRWXG | S_IWOTH)) != 0750) {
    findings.push_back(
        broken(kBinary,
               fmt::format("{} has mode {:04o}, auditd wants mode 0750", path,
                           status.st_mode & 07777U),
               "chmod 0750 " + path));
    return;
  }
  findings.push_back(good(kBinary, path));
}

}  // namespace preload
