#include "paxos/core.h"

static int compare_u32(uint32_t left, uint32_t right)
{
    return left < right ? -1 : left > right;
}

int paxos_ballot_compare(struct paxos_ballot left, struct paxos_ballot right)
{
    int order = compare_u32(left.epoch, right.epoch);
    order = order != 0 ? order : compare_u32(left.round, right.round);
    return order != 0 ? order : compare_u32(left.node, right.node);
}

bool ballot_is_none(struct paxos_ballot ballot)
{
    return ballot.epoch == 0 && ballot.round == 0 && ballot.node == 0;
}

bool ballot_less(struct paxos_ballot left, struct paxos_ballot right)
{
    return paxos_ballot_compare(left, right) < 0;
}

bool ballot_equal(struct paxos_ballot left, struct paxos_ballot right)
{
    return paxos_ballot_compare(left, right) == 0;
}

bool id_equal(struct paxos_id left, struct paxos_id right)
{
    return left.high == right.high && left.low == right.low;
}

bool id_is_none(struct paxos_id id)
{
    return id.high == 0 && id.low == 0;
}

bool digest_equal(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

uint32_t paxos_quorum_promise(uint32_t member_count)
{
    return member_count / 2 + 1;
}

uint32_t paxos_quorum_accept(uint32_t member_count)
{
    // Majorities on both sides; kept apart because only q1 + q2 > n is needed (1.2).
    return member_count / 2 + 1;
}

cs_slot quorum_slot(cs_slot *slots, uint32_t count, uint32_t quorum)
{
    CHECK(quorum >= 1);
    CHECK(quorum <= count);
    // Insertion sort, descending: at most PAXOS_MEMBERS_MAX numbers.
    for (uint32_t i = 1; i < count; i++) {
        cs_slot moving = slots[i];
        uint32_t at = i;
        while (at > 0 && slots[at - 1] < moving) {
            slots[at] = slots[at - 1];
            at--;
        }
        slots[at] = moving;
    }
    return slots[quorum - 1];
}
