/*
 * peer_message.h - frames between nodes.
 *
 * frame = [version, kind, body..., ] followed by 8 bytes XXH3-64 of all before (little
 * endian). A frame of an unknown version or kind, a wrong digest, a count or size past
 * its limit, a non-minimal form or a trailing byte is refused as a whole: WIRE_* says
 * why.
 *
 * Kinds: CORE carries one paxos_message with the identities and payloads of its entries;
 * FORWARD carries client commands to the leader; REFUSED names forwarded requests that
 * were certainly not proposed.
 *
 * Thread: any.
 */
#ifndef CONSENS_WIRE_PEER_MESSAGE_H
#define CONSENS_WIRE_PEER_MESSAGE_H

#include "base/bytes.h"
#include "base/limits.h"
#include "base/status.h"
#include "wire/command.h"

#include <consens/paxos.h>

enum { WIRE_VERSION = 1, WIRE_FORWARD_COMMANDS_MAX = LIMIT_BATCH_COMMANDS };

enum wire_status {
    WIRE_OK = 0,
    WIRE_TOO_SHORT,
    WIRE_BAD_DIGEST,
    WIRE_BAD_VERSION,
    WIRE_BAD_KIND,
    WIRE_MALFORMED,
    WIRE_BAD_PAYLOAD_DIGEST, // a payload does not hash to its entry's digest
};

enum wire_kind { WIRE_CORE = 1, WIRE_FORWARD, WIRE_REFUSED };

/*
 * Commands of one origin, as elements of a batch. Commands are not idempotent, the
 * network may double a frame: so the frame names the leadership it is meant for
 * (`ballot`: one process life leads under it, E7) and its own number in the origin's
 * life; a leader takes only frames that name its ballot and are newer than the newest it
 * has seen from (from, boot).
 */
struct wire_forward {
    uint32_t from; // seat
    uint32_t to;   // seat
    struct paxos_id cluster_id;
    uint64_t boot;              // of the origin
    uint64_t sequence;          // strictly rising in the origin's boot, from 1
    struct paxos_ballot ballot; // under which the addressee is believed to lead
    struct cs_view batch;       // batch payload of command.h
};

/*
 * Requests of a FORWARD that were not, and will never be, proposed by the sender of this:
 * all or some of that frame's.
 */
struct wire_refused {
    uint32_t from;
    uint32_t to;
    struct paxos_id cluster_id;
    uint64_t boot;     // of the origin
    uint64_t sequence; // of the FORWARD
    enum cs_status status;
    uint32_t request_count;
    uint64_t request_ids[WIRE_FORWARD_COMMANDS_MAX];
};

struct wire_frame {
    uint32_t kind;
    struct paxos_message core; // core.entries points into entries[]
    struct paxos_entry entries[LIMIT_MESSAGE_ENTRIES];
    struct cs_view payloads[LIMIT_MESSAGE_ENTRIES]; // into the frame's bytes
    struct wire_forward forward;
    struct wire_refused refused;
};

/*
 * Replaces what `out` held. `entries` and `payloads` have message->entry_count elements,
 * at most LIMIT_MESSAGE_ENTRIES with LIMIT_MESSAGE_BYTES of payload in all.
 */
void wire_pack_core(struct cs_buffer *out,
                    const struct paxos_message *message,
                    const struct paxos_entry *entries,
                    const struct cs_view *payloads);
void wire_pack_forward(struct cs_buffer *out, const struct wire_forward *forward);
void wire_pack_refused(struct cs_buffer *out, const struct wire_refused *refused);

/*
 * Verifies the payloads' digests too. Views in `out_frame` are valid as long as `bytes`;
 * only what its kind names is set, and nothing may be used unless the answer is WIRE_OK.
 * The batch of a FORWARD and the payloads are not decoded here: see batch_open().
 */
enum wire_status wire_unpack(struct cs_view bytes, struct wire_frame *out_frame);

const char *wire_status_text(enum wire_status status);

/* Digest of an entry's payload, as paxos_entry.digest wants it. */
struct paxos_digest wire_digest_payload(struct cs_view payload);

#endif
