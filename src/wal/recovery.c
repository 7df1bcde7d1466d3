/*
 * The recovery table (PAXOS 4.2). One block is in flight at a time, so block k is known
 * to have been durable as soon as anything written after it is found: that is what makes
 * the difference between a torn tail, which nobody was told of, and damage. "Evidence" is
 * a later sound block whose floor is at k or above (with durability interval or none,
 * several blocks are in flight, and then a later block alone says nothing), or a later
 * segment.
 *
 *   superblock  segments | block k: valid chained blank evidence floor
 *   other       any      | -                               another release wrote it
 *   unreadable  any      | -                               the disk failed
 *   absent      no       | -                               format
 *   absent      yes      | -                               amnesia: it was there once
 *   broken      any      | -                               amnesia
 *   sound       any      | not asked                       go on to the blocks
 *   sound       any      | yes  yes  any  any  any         accept
 *   sound       any      | yes  no   any  no   no          cut: stale or misdirected
 *   sound       any      | yes  no   any  yes  any         damaged
 *   sound       any      | yes  no   any  no   yes         damaged
 *   sound       any      | no   any  no   no   no          cut: torn
 *   sound       any      | no   any  yes  no   no          the end
 *   sound       any      | no   any  any  yes  any         damaged
 *   sound       any      | no   any  no   no   yes         damaged
 *   sound       any      | no   any  yes  no   yes         amnesia
 *
 * Damaged: the log goes on behind it (damage.c), the slots that were there are repaired
 * from peers. Where nothing sound behind it says what the log was, opening is refused with
 * file and offset, and nothing on disk is changed. Amnesia is always refused.
 */
#include "wal/recovery.h"

#include "base/check.h"
#include "base/marks.h"
#include "base/mutant.h"

#include <stddef.h>

enum cell { ANY = 0, YES, NO };

struct row {
    enum superblock_sight superblock;
    enum cell has_segments;
    enum cell asks_block;
    enum cell is_valid;
    enum cell is_chained;
    enum cell is_blank;
    enum cell has_evidence;
    enum cell is_below_floor;
    enum recovery_decision decision;
};

// clang-format off
static const struct row TABLE[] = {
    //                      segments asks valid chained blank evidence floor
    {SUPERBLOCK_OTHER,      ANY, ANY, ANY, ANY, ANY, ANY, ANY, RECOVERY_OTHER},
    {SUPERBLOCK_UNREADABLE, ANY, ANY, ANY, ANY, ANY, ANY, ANY, RECOVERY_UNREADABLE},
    {SUPERBLOCK_ABSENT,     NO,  ANY, ANY, ANY, ANY, ANY, ANY, RECOVERY_FORMAT},
    {SUPERBLOCK_ABSENT,     YES, ANY, ANY, ANY, ANY, ANY, ANY, RECOVERY_AMNESIA},
    {SUPERBLOCK_BROKEN,     ANY, ANY, ANY, ANY, ANY, ANY, ANY, RECOVERY_AMNESIA},
    {SUPERBLOCK_SOUND,      ANY, NO,  ANY, ANY, ANY, ANY, ANY, RECOVERY_ACCEPT},
    {SUPERBLOCK_SOUND,      ANY, YES, YES, YES, ANY, ANY, ANY, RECOVERY_ACCEPT},
    {SUPERBLOCK_SOUND,      ANY, YES, YES, NO,  ANY, NO,  NO,  RECOVERY_CUT},
    {SUPERBLOCK_SOUND,      ANY, YES, YES, NO,  ANY, YES, ANY, RECOVERY_DAMAGED},
    {SUPERBLOCK_SOUND,      ANY, YES, YES, NO,  ANY, NO,  YES, RECOVERY_DAMAGED},
    {SUPERBLOCK_SOUND,      ANY, YES, NO,  ANY, NO,  NO,  NO,  RECOVERY_CUT},
    {SUPERBLOCK_SOUND,      ANY, YES, NO,  ANY, YES, NO,  NO,  RECOVERY_END},
    {SUPERBLOCK_SOUND,      ANY, YES, NO,  ANY, ANY, YES, ANY, RECOVERY_DAMAGED},
    {SUPERBLOCK_SOUND,      ANY, YES, NO,  ANY, NO,  NO,  YES, RECOVERY_DAMAGED},
    {SUPERBLOCK_SOUND,      ANY, YES, NO,  ANY, YES, NO,  YES, RECOVERY_AMNESIA},
};
// clang-format on

enum { ROWS = sizeof TABLE / sizeof TABLE[0] };
_Static_assert(ROWS == MARK_ROW_MISSING - MARK_ROW_OTHER + 1, "a mark for each row");

static bool fits(enum cell cell, bool value)
{
    return cell == ANY || (cell == YES) == value;
}

static bool matches(const struct row *row, const struct recovery_observation *observation)
{
    return row->superblock == observation->superblock &&
           fits(row->has_segments, observation->has_segments) &&
           fits(row->asks_block, observation->asks_block) &&
           fits(row->is_valid, observation->is_valid) &&
           fits(row->is_chained, observation->is_chained) &&
           fits(row->is_blank, observation->is_blank) &&
           fits(row->has_evidence, observation->has_evidence) &&
           fits(row->is_below_floor, observation->is_below_floor);
}

enum recovery_decision recovery_decide(const struct recovery_observation *observation)
{
    size_t at = 0;
    while (at < ROWS && !matches(&TABLE[at], observation)) {
        at++;
    }
    CHECK(at < ROWS);
    MARK_ROW(ROW_OTHER, at);
    enum recovery_decision decision = TABLE[at].decision;
    decision = decision == RECOVERY_CUT && MUTANT_IS(161) ? RECOVERY_DAMAGED : decision;
    decision = decision == RECOVERY_DAMAGED && MUTANT_IS(162) ? RECOVERY_CUT : decision;
    return decision;
}

int recovery_count_rows(const struct recovery_observation *observation)
{
    int count = 0;
    for (size_t i = 0; i < ROWS; i++) {
        count += matches(&TABLE[i], observation);
    }
    return count;
}
