// SPDX-License-Identifier: Apache-2.0
#include "preload/doctor/audit_status.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
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

enum class Reply { kMore, kDone };

// Gives each reply of the kernel to `take` until that is done.
Status receive(const Fd& socket,
               const std::function<Reply(const audit_reply&)>& take) {
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
    if (reply.type != NLMSG_ERROR && take(reply) == Reply::kDone)
      return {};
  }
}

Result<Fd> open_audit() {
  ::set_aumessage_mode(MSG_QUIET, DBG_NO);
  Fd socket(::audit_open());
  if (!socket)
    return fail("cannot reach the kernel's audit system", errno);
  return socket;
}

bool is_string_field(uint32_t field) {
  return (field >= AUDIT_SUBJ_USER && field <= AUDIT_SUBJ_CLR) ||
         (field >= AUDIT_OBJ_USER && field <= AUDIT_OBJ_LEV_HIGH) ||
         field == AUDIT_WATCH || field == AUDIT_DIR ||
         field == AUDIT_FILTERKEY || field == AUDIT_EXE;
}

struct RuleField {
  uint32_t field = 0;
  uint32_t operation = 0;
  uint32_t value = 0;
  std::string_view text;  // of a string field

  [[nodiscard]] bool equals() const { return operation == AUDIT_EQUAL; }
};

std::string condition(const RuleField& f) {
  const char* name = ::audit_field_to_name(static_cast<int>(f.field));
  const char* symbol =
      ::audit_operator_to_symbol(static_cast<int>(f.operation));
  const char* type = f.field == AUDIT_MSGTYPE
                         ? ::audit_msg_type_to_name(static_cast<int>(f.value))
                         : nullptr;
  std::string value(f.text);
  if (type != nullptr)
    value = type;
  else if (!is_string_field(f.field))
    value = f.value == UINT32_MAX ? "unset" : std::to_string(f.value);
  return fmt::format("{}{}{}", name == nullptr ? std::to_string(f.field) : name,
                     symbol == nullptr ? "?" : symbol, value);
}

// Of an exec's records the plugin uses these.
bool is_exec_record(uint32_t type) {
  return type == AUDIT_SYSCALL || type == AUDIT_EXECVE || type == AUDIT_CWD ||
         type == AUDIT_EOE;
}

void take_field(AuditRule& rule, const RuleField& f) {
  if (f.field == AUDIT_FILTERKEY) {
    for (size_t at = 0; at <= f.text.size();) {
      const size_t end =
          std::min(f.text.find(kKeySeparator, at), f.text.size());
      rule.keys.emplace_back(f.text.substr(at, end - at));
      at = end + 1;
    }
  } else if (f.field == AUDIT_ARCH && f.equals()) {
    rule.arch = f.value;
  } else if (f.field == AUDIT_MSGTYPE && f.equals() &&
             f.value == AUDIT_SYSCALL) {
    // Without SYSCALL there is no exec event at all.
  } else if (f.field == AUDIT_WATCH && f.equals()) {
    rule.path = f.text;
  } else if (f.field == AUDIT_PERM && f.equals()) {
    rule.permissions = f.value;
  } else if (f.field != AUDIT_SUCCESS || !f.equals() || f.value != 1) {
    rule.conditions.push_back(condition(f));
  }
  if (f.field == AUDIT_MSGTYPE && f.equals())
    rule.excludes_exec = is_exec_record(f.value);
}

AuditRule::List list_of(uint32_t flags) {
  switch (flags & ~uint32_t{AUDIT_FILTER_PREPEND}) {
    case AUDIT_FILTER_TASK:
      return AuditRule::List::kTask;
    case AUDIT_FILTER_EXIT:
      return AuditRule::List::kExit;
    case AUDIT_FILTER_EXCLUDE:
      return AuditRule::List::kExclude;
    default:
      return AuditRule::List::kOther;
  }
}

}  // namespace

std::string AuditRule::text() const {
  constexpr std::array<const char*, 4> kLists{"task", "exit", "exclude",
                                              "other"};
  return fmt::format("{},{}{}{}", always ? "always" : "never",
                     kLists.at(static_cast<size_t>(list)),
                     conditions.empty() ? "" : " ", fmt::join(conditions, " "));
}

Result<AuditStatus> request_audit_status() {
  const Result<Fd> socket = open_audit();
  if (!socket)
    return tl::unexpected(socket.error());
  if (const int sent = ::audit_request_status(socket->get()); sent <= 0)
    return fail("cannot ask for the audit status", -sent);
  AuditStatus status;
  const Status received = receive(*socket, [&](const audit_reply& reply) {
    if (reply.type != AUDIT_GET)
      return Reply::kMore;
    status = {reply.status->enabled, reply.status->pid,
              reply.status->backlog_limit, reply.status->lost};
    return Reply::kDone;
  });
  if (!received)
    return tl::unexpected(received.error());
  return status;
}

Result<std::vector<AuditRule>> request_audit_rules() {
  const Result<Fd> socket = open_audit();
  if (!socket)
    return tl::unexpected(socket.error());
  if (const int sent = ::audit_request_rules_list_data(socket->get());
      sent <= 0)
    return fail("cannot ask for the audit rules", -sent);
  std::vector<AuditRule> rules;
  const Status received = receive(*socket, [&](const audit_reply& reply) {
    if (reply.type == NLMSG_DONE)
      return Reply::kDone;
    const auto length = static_cast<size_t>(std::max(reply.len, 0));
    if (reply.type == AUDIT_LIST_RULES && length > NLMSG_HDRLEN) {
      const auto bytes = std::as_bytes(std::span(
          reply.msg.data,
          std::min(length - size_t{NLMSG_HDRLEN}, sizeof reply.msg.data)));
      if (auto rule = decode_rule(bytes))
        rules.push_back(std::move(*rule));
    }
    return Reply::kMore;
  });
  if (!received)
    return tl::unexpected(received.error());
  return rules;
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
  rule.list = list_of(raw.flags);
  rule.always = raw.action == AUDIT_ALWAYS;
  rule.excludes_exec = rule.list == AuditRule::List::kExclude;
  for (size_t nr = 0; nr < rule.syscalls.size(); ++nr)
    rule.syscalls[nr] = (raw.mask[nr / 32] >> (nr % 32) & 1U) != 0;
  std::string_view left(strings.data(), raw.buflen);
  for (size_t i = 0; i < raw.field_count; ++i) {
    RuleField field{raw.fields[i], raw.fieldflags[i], raw.values[i], {}};
    if (is_string_field(field.field)) {
      if (field.value > left.size())
        return std::nullopt;
      field.text = left.substr(0, field.value);
      left.remove_prefix(field.value);
    }
    take_field(rule, field);
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
