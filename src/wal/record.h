/*
 * record.h - one record of the log: what the core asked to persist, and the entries
 * with it. wal_pack_record() writes it (wal.h), recovery and reads take it apart again.
 *
 * Thread: any.
 */
#ifndef CONSENS_WAL_RECORD_H
#define CONSENS_WAL_RECORD_H

#include "base/bytes.h"

#include <consens/paxos.h>

#include <stdbool.h>

enum {
    RECORD_HEAD_BYTES = 88,
    RECORD_ENTRY_BYTES = 48,
    RECORD_CONFIG_BYTES = 176,
    RECORD_WATERMARKS_BYTES = 32 * PAXOS_MEMBERS_MAX,
    RECORD_STATE_BYTES = RECORD_CONFIG_BYTES + RECORD_WATERMARKS_BYTES,
};

struct record { // views into the bytes it was unpacked from
    struct paxos_persist persist;
    size_t bytes;         // of the whole record
    struct cs_view state; // empty, or config and watermarks
    struct cs_view entries;
    struct cs_view payloads; // exactly what the entries say
};

/* The first record of `rest`. False: no sound record begins there. */
bool record_unpack(struct cs_view rest, struct record *out_record);

/* True for kinds that carry configuration and watermarks. */
bool record_has_state(uint32_t kind);

/* True for kinds that go into the superblock too. */
bool record_has_superblock(uint32_t kind);

/* True for kinds that leave the slots alone. */
bool record_is_bare(uint32_t kind);

/*
 * True for kinds that leave ballots, length and chain of the log alone. They may have no
 * token.
 */
bool record_is_aside(uint32_t kind);

/*
 * True if one of these records says more than a Config or a NOTE: only a block with such
 * a one is told to peers (G2). Config and START are written behind the gate: counted, a
 * disk that went back to before START would catch up with its peers' memory by taking
 * START again. A NOTE holds what peers have shown: counted, it would be news to them,
 * which they would NOTE, and so on for ever. A disk that has lost one has lost no vote.
 */
bool record_any_counts(struct cs_view records);

struct record_cursor {
    const uint8_t *entry;
    const uint8_t *payload;
    cs_slot slot;
    uint32_t left_count;
};

struct record_cursor record_entries(const struct record *record);

/* False: none is left. `out_payload` is valid as long as the record's bytes. */
bool record_take_entry(struct record_cursor *cursor,
                       struct paxos_entry *out_entry,
                       struct cs_view *out_payload);

/* Configuration and watermarks, in records and in the superblock: RECORD_STATE_BYTES. */
void record_pack_state(uint8_t *to,
                       const struct paxos_config *config,
                       const struct paxos_watermark *watermarks);
/* False: not a configuration. */
bool record_unpack_state(const uint8_t *from,
                         struct paxos_config *out_config,
                         struct paxos_watermark *out_watermarks);

#endif
