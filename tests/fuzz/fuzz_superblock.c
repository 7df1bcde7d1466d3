/*
 * superblock: four copies under writes, power loss, restarts and rot.
 *
 *   - What is read is a value that two copies with right digests hold, as a dumb reader
 *     finds them, and the one of the highest sequence among such.
 *   - While nothing rots, a restart finds the value written last, or, if power was lost in
 *     a write, the one before: never neither.
 *
 *   input  acts, until it ends
 */
#include "fuzz/image.h"

#include "base/digest.h"
#include "wal/superblock.h"

enum { ACTS_MAX = 64, CALLS_MAX = 6, EDIT_BYTES_MAX = 32 };

static struct sim_disk *disk;

struct run {
    struct files files;
    struct superblock_file file;
    struct superblock last;   // acknowledged
    struct superblock flying; // on its way when power was lost; else as `last`
    bool is_rotten;           // something was edited since the last whole value
};

struct copy { // as the dumb reader sees one
    bool is_sound;
    uint64_t sequence;
    struct cs_digest digest;
};

static void open_anew(struct run *run)
{
    superblock_fini(&run->file);
    superblock_init(&run->file, &run->files);
}

static void format(struct run *run)
{
    run->last = (struct superblock){.incarnation = {.high = 5, .low = 6}};
    CHECK(superblock_format(&run->file, &run->last) == 0);
    run->flying = run->last;
}

/* ---- looking ----------------------------------------------------------------------- */

static void look(struct copy copies[SUPERBLOCK_COPIES])
{
    uint8_t page[SUPERBLOCK_COPY_BYTES];
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        copies[i] = (struct copy){0};
        uint64_t offset = (uint64_t)i * SUPERBLOCK_COPY_BYTES;
        if (!sim_disk_read_media(disk, SUPERBLOCK_NAME, offset, page, sizeof page)) {
            continue;
        }
        struct cs_digest digest =
            digest_128(page + 32, sizeof page - 32, load_u32(page + 8));
        copies[i].digest =
            (struct cs_digest){.high = load_u64(page + 16), .low = load_u64(page + 24)};
        copies[i].sequence = load_u64(page + 32);
        copies[i].is_sound = memcmp(page, "CNSSUPER", 8) == 0 &&
                             digest.high == copies[i].digest.high &&
                             digest.low == copies[i].digest.low;
    }
}

/* How many sound copies are as this one. */
static uint32_t count_equal(const struct copy *copies, const struct copy *wanted)
{
    uint32_t count = 0;
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        count += copies[i].is_sound && copies[i].digest.high == wanted->digest.high &&
                 copies[i].digest.low == wanted->digest.low;
    }
    return count;
}

/* The value that was read is held by two copies, and none held by two is newer. */
static void check_read(const struct superblock *read)
{
    struct copy copies[SUPERBLOCK_COPIES];
    bool is_found = false;
    look(copies);
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        bool is_held = copies[i].is_sound && count_equal(copies, &copies[i]) >= 2;
        CHECK(!is_held || copies[i].sequence <= read->sequence);
        is_found = is_found || (is_held && copies[i].sequence == read->sequence);
    }
    CHECK(is_found);
    CHECK(read->config.member_count <= PAXOS_MEMBERS_MAX);
}

/* ---- acts -------------------------------------------------------------------------- */

static bool same(const struct superblock *left, const struct superblock *right)
{
    return left->sequence == right->sequence && left->boot == right->boot &&
           left->token == right->token && left->length == right->length &&
           left->floor_block == right->floor_block &&
           paxos_ballot_compare(left->promised, right->promised) == 0 &&
           left->config.epoch == right->config.epoch;
}

/* A new process, after power was lost or not. */
static void restart(struct run *run, bool is_power_lost)
{
    struct superblock read = {0};
    if (is_power_lost) {
        sim_disk_crash(disk);
    }
    sim_disk_restart(disk);
    open_anew(run);
    enum superblock_sight sight = superblock_read(&run->file, &read);
    CHECK(sight != SUPERBLOCK_UNREADABLE);
    CHECK(sight == SUPERBLOCK_SOUND || run->is_rotten);
    if (sight == SUPERBLOCK_ABSENT) {
        format(run);
        run->is_rotten = false;
        return;
    }
    if (sight != SUPERBLOCK_SOUND) {
        return;
    }
    check_read(&read);
    CHECK(run->is_rotten || same(&read, &run->last) || same(&read, &run->flying));
    CHECK(superblock_rewrite(&run->file) == 0);
    run->last = read;
    run->flying = read;
}

static void write_new(struct run *run, struct input *input)
{
    uint8_t calls = input_take_byte(input);
    struct superblock next = run->last;
    next.boot = input_take_byte(input);
    next.token++;
    next.length += input_take_byte(input);
    next.promised.round++;
    next.config.member_count = 3;
    next.config.epoch = 1;
    if (!run->file.is_open) {
        return; // the last restart found nothing that could be used
    }
    if (calls % 2 == 1) {
        sim_disk_crash_after(disk, calls / 2 % CALLS_MAX);
    }
    bool is_written = superblock_write(&run->file, &next) == 0;
    run->flying = next;
    if (is_written) {
        run->last = next;
    }
    CHECK(is_written || sim_disk_is_off(disk));
    if (sim_disk_is_off(disk)) {
        restart(run, false);
    } else {
        sim_disk_restart(disk); // the armed call was none of these
        restart(run, true);
    }
}

/* Bytes of one copy change; its digest may be set right again. */
static void rot(struct run *run, struct input *input, bool is_sealed)
{
    uint8_t page[SUPERBLOCK_COPY_BYTES];
    uint64_t offset = (uint64_t)input_take_below(input, SUPERBLOCK_COPIES) * sizeof page;
    uint32_t at = input_take_below(input, sizeof page);
    uint32_t room = (uint32_t)sizeof page - at;
    uint32_t wanted = 1 + input_take_below(input, EDIT_BYTES_MAX);
    struct cs_view bytes = input_take(input, wanted < room ? wanted : room);
    if (!sim_disk_read_media(disk, SUPERBLOCK_NAME, offset, page, sizeof page)) {
        return;
    }
    if (bytes.bytes > 0) {
        memcpy(page + at, bytes.data, bytes.bytes);
    }
    if (is_sealed) {
        struct cs_digest digest =
            digest_128(page + 32, sizeof page - 32, load_u32(page + 8));
        store_u64(page + 16, digest.high);
        store_u64(page + 24, digest.low);
    }
    CHECK(sim_disk_overwrite(disk, SUPERBLOCK_NAME, offset, page, sizeof page));
    run->is_rotten = true;
}

static void copy_over(struct run *run, struct input *input)
{
    uint8_t page[SUPERBLOCK_COPY_BYTES];
    uint64_t from = (uint64_t)input_take_below(input, SUPERBLOCK_COPIES) * sizeof page;
    uint64_t to = (uint64_t)input_take_below(input, SUPERBLOCK_COPIES) * sizeof page;
    if (sim_disk_read_media(disk, SUPERBLOCK_NAME, from, page, sizeof page)) {
        CHECK(sim_disk_overwrite(disk, SUPERBLOCK_NAME, to, page, sizeof page));
        run->is_rotten = true;
    }
}

static void lose(struct run *run)
{
    (void)run->files.remove_file(run->files.context, SUPERBLOCK_NAME);
    CHECK(run->files.sync_directory(run->files.context) == 0);
    run->is_rotten = true;
    restart(run, false);
}

static void act(struct run *run, struct input *input)
{
    switch (input_take_below(input, 8)) {
    case 0:
    case 1:
        write_new(run, input);
        return;
    case 2:
        restart(run, true);
        return;
    case 3:
        rot(run, input, false);
        return;
    case 4:
    case 5:
        rot(run, input, true);
        return;
    case 6:
        copy_over(run, input);
        return;
    default:
        lose(run);
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    struct run run = {0};
    if (disk == NULL) {
        disk = sim_disk_new(1, IMAGE_DISK_BYTES);
    }
    sim_disk_reset(disk, 1);
    sim_disk_set_capacity(disk, IMAGE_DISK_BYTES);
    run.files = sim_disk_files(disk);
    superblock_init(&run.file, &run.files);
    format(&run);
    for (int i = 0; i < ACTS_MAX && input.left_bytes > 0; i++) {
        act(&run, &input);
    }
    restart(&run, true);
    superblock_fini(&run.file);
    return 0;
}
