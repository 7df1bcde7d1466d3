/*
 * twin.h - the dumb twin of the log: a plain array of entries and a few numbers, and the
 * records that lead from one state to the next. Tests compare what the log says with what
 * the twin says.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_SUPPORT_TWIN_H
#define CONSENS_TESTS_SUPPORT_TWIN_H

#include "wal/wal.h"

enum { TWIN_SLOTS_MAX = 4096 };

struct twin_slot {
    struct paxos_entry entry;
    uint64_t payload_seed; // the bytes are made from it
};

struct twin {
    struct paxos_ballot promised;
    struct paxos_ballot accepted;
    cs_slot decided;
    cs_slot length;
    uint64_t token;
    struct paxos_config config;
    struct paxos_watermark watermarks[PAXOS_MEMBERS_MAX];
    struct twin_slot slots[TWIN_SLOTS_MAX + 1]; // by slot; 0 is unused
};

struct twin *twin_new(void);
void twin_destroy(struct twin **twin);
struct twin *twin_copy(const struct twin *twin);
/* Makes `to` equal to `from`. */
void twin_assign(struct twin *to, const struct twin *from);

/* What a core would do next. Each changes the twin and packs the record that says so. */
void twin_append(struct twin *twin,
                 uint32_t count,
                 uint32_t payload_bytes,
                 struct cs_buffer *out);
void twin_promise(struct twin *twin, struct cs_buffer *out);
/* Replaces what stands at `first` and after by `count` entries; accepted := promised. */
void twin_sync(struct twin *twin,
               cs_slot first,
               uint32_t count,
               uint32_t payload_bytes,
               struct cs_buffer *out);
/* Replaces what stands at `first` and after by `count` decided entries. */
void twin_fetch(struct twin *twin,
                cs_slot first,
                uint32_t count,
                uint32_t payload_bytes,
                struct cs_buffer *out);
void twin_configure(struct twin *twin, struct cs_buffer *out);
/* Packs slots as they are, with `record`'s kind, first_slot and entry_count. */
void twin_repair(const struct twin *twin,
                 const struct paxos_persist *record,
                 struct cs_buffer *out);
/* Nothing is packed: the next record carries it. */
void twin_decide(struct twin *twin, cs_slot decided);

struct paxos_digest twin_chain_at(const struct twin *twin, cs_slot slot);

/* NULL, or what differs: the recovered core's state. */
const char *twin_compare_recovered(const struct twin *twin,
                                   const struct paxos_recovered *core);
/* NULL, or what differs: every slot, read back in slices of `entries_max`. */
const char *
twin_compare_log(const struct twin *twin, struct wal *wal, uint32_t entries_max);

#endif
