/*
 * serve.c - log slots for peers that ask (Fetch): from memory where all of them are
 * there, else through the log thread, a bounded number at a time. A Fetch that is
 * dropped is asked again.
 */
#include "base/check.h"
#include "base/marks.h"
#include "base/mutant.h"
#include "engine/parts.h"

static void serve_from_memory(struct replica *replica, const struct paxos_serve *serve);
static void serve_from_log(struct replica *replica, const struct paxos_serve *serve);

void serve_fetch(struct replica *replica, const struct paxos_serve *serve)
{
    CHECK(serve->first >= 1);
    CHECK(serve->first <= serve->last);
    bool is_known = serve->last <= replica->view.length;
    CHECK(is_known || serve->first > replica->view.length);
    bool is_in_memory = is_known && serve->first > replica->view.base &&
                        !BUGGIFY(replica->settings.core.buggify, SERVE_FROM_LOG);
    if (is_in_memory) {
        serve_from_memory(replica, serve);
    } else {
        serve_from_log(replica, serve);
    }
}

/* The header of an ENTRIES message that answers a Fetch. */
static struct paxos_message start_message(const struct replica *replica,
                                          uint32_t to,
                                          struct paxos_ballot ballot,
                                          cs_slot first)
{
    struct paxos_message message = {0};
    paxos_stamp(replica->core, PAXOS_ENTRIES, to, &message);
    message.ballot = ballot;
    message.log.from = first - 1;
    message.log.decided = replica->view.decided;
    return message;
}

static void serve_from_memory(struct replica *replica, const struct paxos_serve *serve)
{
    const struct paxos_settings *limits = &replica->settings.core;
    uint32_t count = 0;
    uint64_t bytes = 0;
    for (cs_slot slot = serve->first; slot <= serve->last; slot++) {
        const struct paxos_entry *entry = paxos_entry_at(replica->core, slot);
        bytes += entry->payload_bytes;
        if (count > 0 &&
            (count >= limits->message_entries || bytes > limits->message_bytes)) {
            break;
        }
        replica->entries[count] = *entry;
        replica->payloads[count] = bodies_get(&replica->bodies, entry);
        count++;
    }
    struct paxos_message message =
        start_message(replica, serve->to, serve->ballot, serve->first);
    message.entry_count = count;
    message.log.from_chain = paxos_chain_at(replica->core, serve->first - 1);
    effects_send_message(replica, &message, replica->entries, replica->payloads);
}

static void serve_from_log(struct replica *replica, const struct paxos_serve *serve)
{
    cs_slot last = serve->last;
    bool is_known = serve->first <= replica->view.length;
    last = last > replica->view.durable && is_known ? replica->view.durable : last;
    struct log_read *read = NULL;
    for (uint32_t i = 0; i < LOG_READS_MAX; i++) {
        read = replica->log_reads[i].cookie == 0 ? &replica->log_reads[i] : read;
    }
    if (read == NULL || last < serve->first) {
        return;
    }
    replica->last_cookie++;
    *read = (struct log_read){
        .cookie = replica->last_cookie,
        .to = serve->to,
        .ballot = serve->ballot,
        .first = serve->first,
        .last = last,
        .decided = replica->view.decided,
        .for_repair = serve->for_repair != 0,
    };
    replica->ports.read_log(replica->ports.context, serve->first, last,
                            replica->settings.core.message_entries,
                            replica->settings.core.message_bytes, read->cookie);
}

/*
 * Decided slots that are lost here: what follows them is served, with the chain it follows.
 * A peer that holds them, and did not know them decided, knows it then, and can give
 * them back (mend.c); else each would wait for the other.
 */
static void serve_behind_lost(struct replica *replica,
                              const struct log_read *asked,
                              const struct wal_fault *fault)
{
    const struct paxos_serve serve = {.to = asked->to,
                                      .first = fault->last + 1,
                                      .last = asked->last};
    bool is_decided = asked->ballot.round == 0 && !asked->for_repair;
    if (is_decided && fault->knows_after && fault->last < asked->last &&
        !MUTANT_IS(243)) {
        MARK(P4_BEHIND);
        serve_from_log(replica, &serve);
    }
}

void serve_slice(struct replica *replica, uint64_t cookie, const struct wal_slice *slice)
{
    struct log_read *read = NULL;
    for (uint32_t i = 0; i < LOG_READS_MAX; i++) {
        read = replica->log_reads[i].cookie == cookie ? &replica->log_reads[i] : read;
    }
    if (cookie == 0 || read == NULL) {
        return;
    }
    struct log_read asked = *read;
    *read = (struct log_read){0};
    if (slice == NULL) {
        return; // unreadable: the peer asks again
    }
    if (slice->fault.first != 0 && slice->fault.first <= replica->view.decided) {
        mend_begin(replica, &slice->fault);
    }
    bool is_served = slice->entry_count > 0 && !slice->is_before_lost;
    if (!is_served && asked.for_repair) {
        struct paxos_message nothing =
            start_message(replica, asked.to, asked.ballot, asked.first);
        effects_send_message(replica, &nothing, NULL, NULL);
    }
    if (slice->entry_count == 0 && slice->fault.first != 0) {
        serve_behind_lost(replica, &asked, &slice->fault);
    }
    if (!is_served) {
        return; // lost, or the log has become shorter: the peer asks another one
    }
    CHECK(slice->entry_count <= LIMIT_MESSAGE_ENTRIES);
    CHECK(slice->entries[0].slot == asked.first);
    struct paxos_message message =
        start_message(replica, asked.to, asked.ballot, asked.first);
    // Slots that were undecided when asked for may have been replaced since (I7).
    message.log.decided = MUTANT_IS(312) ? message.log.decided : asked.decided;
    message.entry_count = slice->entry_count;
    message.log.from_chain = slice->before_chain;
    effects_send_message(replica, &message, slice->entries, slice->payloads);
}
