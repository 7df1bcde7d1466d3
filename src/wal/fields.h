/*
 * fields.h - the fields of the log's formats, little endian, one after the other. A
 * packer and its unpacker read as the same list.
 *
 * Thread: any.
 */
#ifndef CONSENS_WAL_FIELDS_H
#define CONSENS_WAL_FIELDS_H

#include "base/bytes.h"
#include "base/digest.h"

#include <consens/paxos.h>

/* Put: writes at *at and moves it on. */

static inline void field_put_u32(uint8_t **at, uint32_t value)
{
    store_u32(*at, value);
    *at += 4;
}

static inline void field_put_u64(uint8_t **at, uint64_t value)
{
    store_u64(*at, value);
    *at += 8;
}

static inline void field_put_id(uint8_t **at, struct paxos_id id)
{
    field_put_u64(at, id.high);
    field_put_u64(at, id.low);
}

static inline void field_put_chain(uint8_t **at, struct paxos_digest chain)
{
    field_put_u64(at, chain.high);
    field_put_u64(at, chain.low);
}

static inline void field_put_digest(uint8_t **at, struct cs_digest digest)
{
    field_put_u64(at, digest.high);
    field_put_u64(at, digest.low);
}

static inline void field_put_ballot(uint8_t **at, struct paxos_ballot ballot)
{
    field_put_u32(at, ballot.epoch);
    field_put_u32(at, ballot.round);
    field_put_u32(at, ballot.node);
}

/* Take: reads at *at and moves it on. The caller has checked that the bytes are there. */

static inline uint32_t field_take_u32(const uint8_t **at)
{
    uint32_t value = load_u32(*at);
    *at += 4;
    return value;
}

static inline uint64_t field_take_u64(const uint8_t **at)
{
    uint64_t value = load_u64(*at);
    *at += 8;
    return value;
}

static inline struct paxos_id field_take_id(const uint8_t **at)
{
    struct paxos_id id = {.high = field_take_u64(at)};
    id.low = field_take_u64(at);
    return id;
}

static inline struct paxos_digest field_take_chain(const uint8_t **at)
{
    struct paxos_digest chain = {.high = field_take_u64(at)};
    chain.low = field_take_u64(at);
    return chain;
}

static inline struct cs_digest field_take_digest(const uint8_t **at)
{
    struct cs_digest digest = {.high = field_take_u64(at)};
    digest.low = field_take_u64(at);
    return digest;
}

static inline struct paxos_ballot field_take_ballot(const uint8_t **at)
{
    struct paxos_ballot ballot = {.epoch = field_take_u32(at)};
    ballot.round = field_take_u32(at);
    ballot.node = field_take_u32(at);
    return ballot;
}

/* ---- comparisons ------------------------------------------------------------------- */

static inline bool field_same_chain(struct paxos_digest left, struct paxos_digest right)
{
    return left.high == right.high && left.low == right.low;
}

static inline bool field_same_digest(struct cs_digest left, struct cs_digest right)
{
    return left.high == right.high && left.low == right.low;
}

static inline bool field_same_id(struct paxos_id left, struct paxos_id right)
{
    return left.high == right.high && left.low == right.low;
}

#endif
