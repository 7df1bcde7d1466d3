/*
 * damaged_log.h - a log with everything in it, to be spoiled page by page, and what must
 * hold of it then (PAXOS 4.2).
 *
 * Pages are numbered through all files of the log: page DAMAGED_LOG_FILE_PAGES is the first
 * of the second one.
 *
 * Thread: the test's.
 */
#ifndef CONSENS_TESTS_UNIT_SUPPORT_DAMAGED_LOG_H
#define CONSENS_TESTS_UNIT_SUPPORT_DAMAGED_LOG_H

#include "support/log_fixture.h"

enum {
    DAMAGED_LOG_PAGE_BYTES = FILES_ALIGN_BYTES,
    DAMAGED_LOG_FILE_PAGES = LOG_FIXTURE_SEGMENT_BYTES / DAMAGED_LOG_PAGE_BYTES,
    DAMAGED_LOG_FILES = 4,
    DAMAGED_LOG_PAGES = DAMAGED_LOG_FILES * DAMAGED_LOG_FILE_PAGES
};

/*
 * Every kind of record, blocks of one page and of several, replaced suffixes, three
 * segments and a little of a fourth; a promise and a seal at the end. Closed.
 */
void damaged_log_write(struct log_fixture *fixture);
/* A fixture with such a log. */
struct log_fixture *damaged_log_new(void);

/* Whether something was written there. */
bool damaged_log_has_page(const struct log_fixture *fixture, uint64_t page);
/* Bits rot in a page that is there. */
void damaged_log_spoil(struct log_fixture *fixture, uint64_t page);
/* ... in those of these pages that were written; how many that are. */
uint64_t
damaged_log_spoil_written(struct log_fixture *fixture, uint64_t first, uint64_t count);

/* No read of the page succeeds until it is written, whether something is there or not. */
void damaged_log_make_unreadable(struct log_fixture *fixture, uint64_t page);

/* The place of a page, for what is done to it otherwise. */
void damaged_log_read_page(struct log_fixture *fixture,
                           uint64_t page,
                           uint8_t *out_bytes);
void damaged_log_write_page(struct log_fixture *fixture,
                            uint64_t page,
                            const uint8_t *bytes);

/* How many slots the log says are lost. */
uint64_t damaged_log_count_lost(const struct log_fixture *fixture);
/* What is said of lost slots is true, and every other slot can be read. */
void damaged_log_assert_faults_are_true(struct log_fixture *fixture);
/* What a peer would send, written anew in pieces of up to `piece` slots: all is there. */
void damaged_log_repair(struct log_fixture *fixture, uint32_t piece);
bool damaged_log_is_chain(struct paxos_digest chain,
                          const struct twin *twin,
                          cs_slot slot);

#endif
