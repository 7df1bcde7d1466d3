#include "paxos/core.h"

static const char *const MESSAGE_NAMES[PAXOS_MESSAGE_TYPES] = {
    [PAXOS_HELLO] = "HELLO",
    [PAXOS_HELLO_REPLY] = "HELLO_REPLY",
    [PAXOS_FORM] = "FORM",
    [PAXOS_FORM_REPLY] = "FORM_REPLY",
    [PAXOS_START] = "START",
    [PAXOS_HEARTBEAT] = "HEARTBEAT",
    [PAXOS_HEARTBEAT_REPLY] = "HEARTBEAT_REPLY",
    [PAXOS_PREPARE] = "PREPARE",
    [PAXOS_PROMISE] = "PROMISE",
    [PAXOS_NACK] = "NACK",
    [PAXOS_PREPARE_REQUEST] = "PREPARE_REQUEST",
    [PAXOS_ACCEPT_SYNC] = "ACCEPT_SYNC",
    [PAXOS_ACCEPT] = "ACCEPT",
    [PAXOS_ACCEPTED] = "ACCEPTED",
    [PAXOS_ROUND_ACK] = "ROUND_ACK",
    [PAXOS_READ] = "READ",
    [PAXOS_READ_REPLY] = "READ_REPLY",
    [PAXOS_FETCH] = "FETCH",
    [PAXOS_ENTRIES] = "ENTRIES",
    [PAXOS_HANDOVER] = "HANDOVER",
};

static const char *const ROLE_NAMES[] = {
    [PAXOS_FORMING] = "forming",   [PAXOS_GATED] = "gated",
    [PAXOS_FOLLOWER] = "follower", [PAXOS_PREPARING] = "preparing",
    [PAXOS_LEADER] = "leader",
};

static const char *const HALT_NAMES[] = {
    [PAXOS_HALT_NONE] = "none",
    [PAXOS_HALT_DIVERGED] = "diverged",
    [PAXOS_HALT_AMNESIA] = "amnesia",
    [PAXOS_HALT_TWIN] = "twin",
    [PAXOS_HALT_WIPED] = "wiped",
    [PAXOS_HALT_LOST] = "lost",
    [PAXOS_HALT_UNREADABLE] = "unreadable",
};

static const char *const TRACE_NAMES[] = {
    [PAXOS_TRACE_FORMED] = "formed",       [PAXOS_TRACE_STARTED] = "started",
    [PAXOS_TRACE_GATE_OPEN] = "gate_open", [PAXOS_TRACE_TAKE_OVER] = "take_over",
    [PAXOS_TRACE_PROMISED] = "promised",   [PAXOS_TRACE_LEADING] = "leading",
    [PAXOS_TRACE_STEP_DOWN] = "step_down", [PAXOS_TRACE_SYNCED] = "synced",
    [PAXOS_TRACE_FETCHED] = "fetched",     [PAXOS_TRACE_OVERTAKEN] = "overtaken",
    [PAXOS_TRACE_HANDOVER] = "handover",   [PAXOS_TRACE_NACKED] = "nacked",
    [PAXOS_TRACE_FAULTY] = "faulty",       [PAXOS_TRACE_REPAIRED] = "repaired",
    [PAXOS_TRACE_WHOLE] = "whole",         [PAXOS_TRACE_DAMAGED] = "damaged",
};

static const char *name_in(const char *const *names, size_t count, uint32_t index)
{
    return index < count && names[index] != NULL ? names[index] : "unknown";
}

const char *paxos_message_name(uint32_t type)
{
    return name_in(MESSAGE_NAMES, sizeof MESSAGE_NAMES / sizeof *MESSAGE_NAMES, type);
}

const char *paxos_role_name(uint32_t role)
{
    return name_in(ROLE_NAMES, sizeof ROLE_NAMES / sizeof *ROLE_NAMES, role);
}

const char *paxos_halt_name(uint32_t halt)
{
    return name_in(HALT_NAMES, sizeof HALT_NAMES / sizeof *HALT_NAMES, halt);
}

const char *paxos_trace_name(uint32_t kind)
{
    return name_in(TRACE_NAMES, sizeof TRACE_NAMES / sizeof *TRACE_NAMES, kind);
}
