#include "client/session.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"

_Static_assert((int)CONSENS_SESSION_WRITES_MAX == (int)LIMIT_SESSION_RESULTS,
               "a node keeps the answers of as many");

static bool *place_of(struct session *session, uint64_t sequence)
{
    return &session->is_open[sequence % CONSENS_SESSION_WRITES_MAX];
}

void session_start(struct session *session, uint64_t id)
{
    *session = (struct session){.id = id, .lowest = 1, .next = 1};
}

uint64_t session_take_number(struct session *session)
{
    CHECK(session->id != 0);
    uint64_t under_way = session->next - session->lowest;
    if (under_way >= CONSENS_SESSION_WRITES_MAX + (MUTANT_IS(234) ? 1 : 0)) {
        return 0;
    }
    *place_of(session, session->next) = true;
    return session->next++;
}

void session_release(struct session *session, uint64_t id, uint64_t sequence)
{
    if (id == 0 || id != session->id) {
        return;
    }
    CHECK(sequence >= session->lowest);
    CHECK(sequence < session->next);
    *place_of(session, sequence) = false;
    while (session->lowest < session->next && !*place_of(session, session->lowest)) {
        session->lowest++;
    }
}

uint64_t session_acknowledged(const struct session *session)
{
    return session->lowest - 1;
}
