/*
 * sessions.c - a red-black tree by number, a queue by last use.
 *
 * Which writes of a session are done: those up to `acknowledged`, those the window has
 * passed (up to highest - LIMIT_SESSION_RESULTS), and those with a kept result. A number
 * inside the window without a result is new, even below the highest: writes of one session
 * may overtake each other.
 *
 * Digest of a session: XXH3-128 over its fields and results, 8 bytes little endian each.
 */
#include "kv/sessions.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/marks.h"
#include "base/mutant.h"

#include <stdlib.h>

struct kept {          // at results[sequence % LIMIT_SESSION_RESULTS]
    uint64_t sequence; // 0: none
    uint64_t status;
    uint64_t revision;
    uint64_t item_revision;
    uint64_t created_revision;
    uint64_t version;
};

struct session {
    RB_ENTRY(session) links;
    TAILQ_ENTRY(session) by_use;
    uint64_t id;
    uint64_t used_ms;
    uint64_t highest; // sequence applied
    uint64_t acknowledged;
    struct kept results[LIMIT_SESSION_RESULTS];
};

enum { KEPT_WORDS = 6, SESSION_WORDS = 4 + LIMIT_SESSION_RESULTS * KEPT_WORDS };

static int compare(const struct session *left, const struct session *right)
{
    return (left->id > right->id) - (left->id < right->id);
}

// What RB_GENERATE_STATIC does, but its __unused is missing from libbsd's own header.
// clang-format off
// cppcheck-suppress unknownMacro
RB_GENERATE_INTERNAL(session_tree, session, links, compare, \
                     static __attribute__((unused)))
// clang-format on

static struct cs_digest digest_session(const struct session *session)
{
    const uint64_t head[] = {session->id, session->used_ms, session->highest,
                             session->acknowledged};
    uint8_t bytes[SESSION_WORDS * sizeof(uint64_t)];
    uint8_t *at = bytes;
    for (size_t i = 0; i < sizeof head / sizeof *head; i++, at += sizeof(uint64_t)) {
        store_u64(at, head[i]);
    }
    for (size_t i = 0; i < LIMIT_SESSION_RESULTS; i++) {
        const struct kept *kept = &session->results[i];
        const uint64_t words[KEPT_WORDS] = {kept->sequence,         kept->status,
                                            kept->revision,         kept->item_revision,
                                            kept->created_revision, kept->version};
        for (size_t j = 0; j < KEPT_WORDS; j++, at += sizeof(uint64_t)) {
            store_u64(at, words[j]);
        }
    }
    return digest_128(bytes, sizeof bytes, 0);
}

static void count_in(struct sessions *sessions, const struct session *session)
{
    struct cs_digest digest = digest_session(session);
    sessions->sum.low += digest.low;
    sessions->sum.high += digest.high + (sessions->sum.low < digest.low);
}

static void count_out(struct sessions *sessions, const struct session *session)
{
    struct cs_digest digest = digest_session(session);
    sessions->sum.high -= digest.high + (sessions->sum.low < digest.low);
    sessions->sum.low -= digest.low;
}

static void forget(struct sessions *sessions, struct session *session)
{
    count_out(sessions, session);
    (void)RB_REMOVE(session_tree, &sessions->tree, session);
    TAILQ_REMOVE(&sessions->used, session, by_use);
    sessions->count--;
    free(session);
}

void sessions_init(struct sessions *sessions)
{
    *sessions = (struct sessions){
        .count_max = LIMIT_SESSIONS,
        .idle_ms = LIMIT_SESSION_IDLE_MS,
    };
    RB_INIT(&sessions->tree);
    TAILQ_INIT(&sessions->used);
}

void sessions_fini(struct sessions *sessions)
{
    while (!TAILQ_EMPTY(&sessions->used)) {
        forget(sessions, TAILQ_FIRST(&sessions->used));
    }
}

uint64_t sessions_open(struct sessions *sessions, uint64_t time_ms)
{
    if (sessions->count == sessions->count_max) {
        MARK(S_EVICTED);
        forget(sessions, TAILQ_FIRST(&sessions->used));
    }
    struct session *session = calloc(1, sizeof *session);
    CHECK(session != NULL);
    MARK(S_OPEN);
    session->id = ++sessions->last_id;
    session->id = MUTANT_IS(228) ? sessions->count + 1 : session->id;
    session->used_ms = time_ms;
    const struct session *twin = RB_INSERT(session_tree, &sessions->tree, session);
    CHECK(twin == NULL);
    TAILQ_INSERT_TAIL(&sessions->used, session, by_use);
    sessions->count++;
    count_in(sessions, session);
    return session->id;
}

/* Unused for so long that it goes; false as well for none. */
static bool
is_idle(const struct sessions *sessions, const struct session *session, uint64_t time_ms)
{
    return session != NULL && time_ms - session->used_ms > sessions->idle_ms;
}

void sessions_expire(struct sessions *sessions, uint64_t time_ms)
{
    // What forget() frees has left the queue: the analyzer does not see that.
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    while (is_idle(sessions, TAILQ_FIRST(&sessions->used), time_ms) && !MUTANT_IS(227)) {
        MARK(S_IDLE);
        forget(sessions, TAILQ_FIRST(&sessions->used));
    }
}

static struct session *find(const struct sessions *sessions, uint64_t id)
{
    struct session *session = RB_ROOT(&sessions->tree);
    while (session != NULL && session->id != id) {
        session = id < session->id ? RB_LEFT(session, links) : RB_RIGHT(session, links);
    }
    return session;
}

static struct kept *place_of(struct session *session, uint64_t sequence)
{
    return &session->results[sequence % LIMIT_SESSION_RESULTS];
}

static void note_use(struct sessions *sessions,
                     struct session *session,
                     const struct command *command,
                     uint64_t time_ms)
{
    count_out(sessions, session);
    session->used_ms = time_ms;
    uint64_t acknowledged = command->acknowledged + (uint64_t)MUTANT_IS(226);
    if (acknowledged > session->acknowledged) {
        session->acknowledged = acknowledged;
    }
    count_in(sessions, session);
    TAILQ_REMOVE(&sessions->used, session, by_use);
    TAILQ_INSERT_TAIL(&sessions->used, session, by_use);
}

static bool is_passed(const struct session *session, uint64_t sequence)
{
    bool is_behind = sequence + LIMIT_SESSION_RESULTS <=
                     session->highest - (session->highest > 0 && MUTANT_IS(223));
    MARK_IF(is_behind, S_BEHIND);
    MARK_IF(!is_behind && sequence <= session->acknowledged, S_ACKNOWLEDGED);
    MARK_IF(!is_behind && sequence > session->acknowledged && sequence < session->highest,
            S_OVERTAKEN);
    return is_behind || sequence <= session->acknowledged;
}

enum session_verdict sessions_meet(struct sessions *sessions,
                                   const struct command *command,
                                   uint64_t time_ms,
                                   struct kv_result *out_result)
{
    struct session *session = find(sessions, command->session);
    if (session == NULL) {
        MARK(S_EXPIRED);
        return SESSION_EXPIRED;
    }
    note_use(sessions, session, command, time_ms);
    const struct kept *kept = place_of(session, command->sequence);
    if (kept->sequence == command->sequence && !MUTANT_IS(220)) {
        MARK(S_REPLAY);
        out_result->status = (enum cs_status)kept->status;
        out_result->revision = kept->revision;
        out_result->item_revision = kept->item_revision;
        out_result->created_revision = kept->created_revision;
        out_result->version = kept->version;
        return SESSION_REPLAY;
    }
    return is_passed(session, command->sequence) && !MUTANT_IS(221) ? SESSION_STALE
                                                                    : SESSION_NEW_WRITE;
}

void sessions_keep(struct sessions *sessions,
                   const struct command *command,
                   const struct kv_result *result)
{
    struct session *session = find(sessions, command->session);
    CHECK(session != NULL);
    if (MUTANT_IS(229)) {
        return;
    }
    MARK(S_NEW);
    count_out(sessions, session);
    *place_of(session, command->sequence) = (struct kept){
        .sequence = command->sequence,
        .status = result->status,
        .revision = result->revision,
        .item_revision = result->item_revision,
        .created_revision = result->created_revision,
        .version = result->version,
    };
    if (command->sequence > session->highest) {
        session->highest = command->sequence;
    }
    count_in(sessions, session);
}

struct cs_digest sessions_digest(const struct sessions *sessions)
{
    struct cs_digest digest = sessions->sum;
    digest.high ^= sessions->last_id; // opened and gone leaves a trace too
    return digest;
}
