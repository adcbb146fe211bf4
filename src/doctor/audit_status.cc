// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/audit_status.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string_view>
#include <utility>

#include <libaudit.h>

#include "preload/base/fd.h"
#include "preload/base/text.h"

namespace preload {
namespace {

constexpr int kReplyMs = 1000;
constexpr char kKeySeparator = '\x01';

// Sends one request of libaudit's and gives each reply of the kernel to `take`
// until that is true.
Status ask(int (*request)(int fd),
           const std::function<bool(const audit_reply&)>& take) {
  ::set_aumessage_mode(MSG_QUIET, DBG_NO);
  const Fd socket(::audit_open());
  if (!socket)
    return fail("cannot reach the kernel's audit system", errno);
  if (const int sent = request(socket.get()); sent <= 0)
    return fail("cannot ask the kernel's audit system", -sent);
  while (true) {
    pollfd wait{socket.get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, kReplyMs);
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready <= 0)
      return fail("the kernel's audit system does not answer",
                  ready < 0 ? errno : ETIMEDOUT);
    audit_reply reply{};
    const int got =
        ::audit_get_reply(socket.get(), &reply, GET_REPLY_NONBLOCKING, 0);
    if (got < 0 && got != -EAGAIN && got != -EINTR)
      return fail("cannot read the answer of the audit system", -got);
    if (got <= 0)
      continue;
    // An error of 0 acknowledges the request.
    if (reply.type == NLMSG_ERROR && reply.error->error != 0)
      return fail("the audit system refused", -reply.error->error);
    if (reply.type != NLMSG_ERROR && take(reply))
      return {};
  }
}

bool is_string_field(uint32_t field) {
  return (field >= AUDIT_SUBJ_USER && field <= AUDIT_SUBJ_CLR) ||
         (field >= AUDIT_OBJ_USER && field <= AUDIT_OBJ_LEV_HIGH) ||
         field == AUDIT_WATCH || field == AUDIT_DIR ||
         field == AUDIT_FILTERKEY || field == AUDIT_EXE;
}

// `text` is the value of a string field.
void take_field(AuditRule& rule, uint32_t field, uint32_t operation,
                uint32_t value, std::string_view text) {
  const bool equal = operation == AUDIT_EQUAL;
  if (field == AUDIT_FILTERKEY)
    rule.keys = split(text, kKeySeparator);
  else if (field == AUDIT_ARCH && equal)
    rule.arch = value;
  else if (field == AUDIT_WATCH && equal)
    rule.path = text;
  // The plugin needs successful calls only.
  else if (field != AUDIT_PERM &&
           !(field == AUDIT_SUCCESS && equal && value == 1))
    rule.narrowed = true;
}

}  // namespace

Result<audit_status> request_audit_status() {
  audit_status status{};
  const auto take = [&](const audit_reply& reply) {
    if (reply.type == AUDIT_GET)
      status = *reply.status;
    return reply.type == AUDIT_GET;
  };
  return ask(::audit_request_status, take).map([&] { return status; });
}

Result<std::vector<AuditRule>> request_audit_rules() {
  std::vector<AuditRule> rules;
  const auto take = [&](const audit_reply& reply) {
    const auto length = static_cast<size_t>(std::max(reply.len, 0));
    if (reply.type == AUDIT_LIST_RULES && length > NLMSG_HDRLEN) {
      const auto bytes = std::as_bytes(std::span(
          reply.msg.data,
          std::min(length - size_t{NLMSG_HDRLEN}, sizeof reply.msg.data)));
      if (auto rule = decode_rule(bytes))
        rules.push_back(std::move(*rule));
    }
    return reply.type == NLMSG_DONE;
  };
  return ask(::audit_request_rules_list_data, take).map([&] {
    return std::move(rules);
  });
}

std::optional<AuditRule> decode_rule(std::span<const std::byte> bytes) {
  audit_rule_data raw{};
  if (bytes.size() < sizeof raw)
    return std::nullopt;
  std::memcpy(&raw, bytes.data(), sizeof raw);
  std::string strings(bytes.size() - sizeof raw, '\0');
  std::memcpy(strings.data(), bytes.data() + sizeof raw, strings.size());
  if (raw.field_count > AUDIT_MAX_FIELDS || raw.buflen > strings.size())
    return std::nullopt;

  AuditRule rule;
  const uint32_t list = raw.flags & ~uint32_t{AUDIT_FILTER_PREPEND};
  rule.reports = list == AUDIT_FILTER_EXIT && raw.action == AUDIT_ALWAYS;
  rule.silences = list == AUDIT_FILTER_TASK && raw.action == AUDIT_NEVER;
  for (size_t nr = 0; nr < rule.syscalls.size(); ++nr)
    rule.syscalls[nr] = (raw.mask[nr / 32] >> (nr % 32) & 1U) != 0;
  std::string_view left(strings.data(), raw.buflen);
  for (size_t i = 0; i < raw.field_count; ++i) {
    std::string_view text;
    if (is_string_field(raw.fields[i])) {
      if (raw.values[i] > left.size())
        return std::nullopt;
      text = left.substr(0, raw.values[i]);
      left.remove_prefix(text.size());
    }
    take_field(rule, raw.fields[i], raw.fieldflags[i], raw.values[i], text);
  }
  return rule;
}

std::vector<ExecAbi> exec_abis() {
  std::vector<ExecAbi> abis;
  for (const char* name : {"b64", "b32"}) {
    const int machine = ::audit_determine_machine(name);
    if (machine < 0)
      continue;
    const unsigned int arch = ::audit_machine_to_elf(machine);
    const int execve = ::audit_name_to_syscall("execve", machine);
    const int execveat = ::audit_name_to_syscall("execveat", machine);
    if (arch != 0 && execve >= 0 && execveat >= 0)
      abis.push_back({name, arch, static_cast<uint32_t>(execve),
                      static_cast<uint32_t>(execveat)});
  }
  return abis;
}

}  // namespace preload
