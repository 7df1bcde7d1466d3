#include "unit/support/damaged.h"

#include "base/check.h"
#include "unit/support/monitored.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void damaged_init(struct paxos_rig *rig, cs_slot length, uint32_t lost)
{
    static struct paxos_entry tail[RIG_ENTRIES]; // until the next one is made
    uint32_t count = 0;
    CHECK(length < 32);
    paxos_rig_init(rig, 0, 3);
    monitored_watch(rig);
    struct paxos_digest chain = {0};
    for (cs_slot slot = 1; slot <= length; slot++) {
        struct paxos_entry entry = paxos_rig_entry(slot, slot);
        entry.chain = chain = paxos_chain_next(chain, &entry);
        if ((lost >> slot & 1u) == 0) {
            tail[count++] = entry;
        }
    }
    rig->recovered.promised = paxos_rig_ballot(2, 1);
    rig->recovered.accepted = paxos_rig_ballot(2, 1);
    rig->recovered.length = length;
    rig->recovered.length_chain = chain;
    rig->recovered.tail = tail;
    rig->recovered.tail_count = count;
}

void damaged_start(struct paxos_rig *rig, cs_slot length, uint32_t lost)
{
    damaged_start_knowing(rig, length, lost, 0);
}

void damaged_start_knowing(struct paxos_rig *rig,
                           cs_slot length,
                           uint32_t lost,
                           cs_slot decided)
{
    damaged_init(rig, length, lost);
    rig->recovered.decided_whole = decided;
    paxos_rig_start(rig);
    paxos_rig_open_gate(rig);
}

void damaged_wait_until_asked(struct paxos_rig *rig, uint32_t seat)
{
    for (int i = 0; i < 50; i++) {
        if (paxos_rig_sent_now(rig, PAXOS_FETCH, seat) != NULL) {
            return;
        }
        paxos_rig_wait(rig, 10);
    }
    fail_msg("seat %u is not asked", seat);
}

void damaged_receive_copy(struct paxos_rig *rig,
                          uint32_t seat,
                          cs_slot after,
                          uint32_t count,
                          cs_slot decided)
{
    struct paxos_message message = paxos_rig_entries(rig, seat, after, count, 1);
    message.log.decided = decided;
    paxos_rig_receive(rig, &message);
}

void damaged_receive_nothing(struct paxos_rig *rig, uint32_t seat, cs_slot after)
{
    struct paxos_message message = paxos_rig_message(PAXOS_ENTRIES, seat, rig);
    message.log.from = after;
    paxos_rig_receive(rig, &message);
}
