#include "scenarios/verbs.h"

#include <stdlib.h>
#include <string.h>

/* The commands that break things, and heal them. */

/* ---- lives ---- */

bool faults_crash(struct world *world, const struct words *words)
{
    int nodes[WORDS_MAX];
    int count = 0;
    bool is_quiet = words_has(words, words->count - 1, "quietly");
    bool is_all = words_has(words, 1, "all");
    for (int i = 1; !is_all && i < words->count - (is_quiet ? 1 : 0); i++) {
        if (!words_running(world, words, i, &nodes[count])) {
            return false;
        }
        count++;
    }
    for (int at = 0; is_all && at < PROCESSES_MAX; at++) {
        process_crash(world, at);
    }
    for (int i = 0; i < count; i++) {
        process_crash(world, nodes[i]);
    }
    for (int i = 0; i < count && !is_quiet; i++) {
        network_hint_lost(world, nodes[i]);
    }
    return true;
}

bool faults_restart(struct world *world, const struct words *words)
{
    bool is_all = words_has(words, 1, "all");
    for (int at = 0; is_all && at < PROCESSES_MAX; at++) {
        if (world->processes[at].exists) {
            process_crash(world, at);
            process_start(world, at);
        }
    }
    for (int i = 1; !is_all && i < words->count; i++) {
        int at = 0;
        if (!words_process(world, words, i, &at)) {
            return false;
        }
        process_crash(world, at);
        process_start(world, at);
    }
    return true;
}

static bool set_paused(struct world *world, const struct words *words, bool is_paused)
{
    int at = 0;
    if (!words_running(world, words, 1, &at)) {
        return false;
    }
    world->processes[at].is_paused = is_paused;
    return true;
}

bool faults_pause(struct world *world, const struct words *words)
{
    return set_paused(world, words, true);
}

bool faults_resume(struct world *world, const struct words *words)
{
    return set_paused(world, words, false);
}

bool faults_wipe(struct world *world, const struct words *words)
{
    int at = 0;
    if (!words_down(world, words, 1, &at)) {
        return false;
    }
    memset(&world->processes[at].disk.durable, 0, sizeof(struct storage));
    return true;
}

/* damage NODE SLOT [LAST]: those are lost on its disk. */
bool faults_damage(struct world *world, const struct words *words)
{
    int at = 0;
    uint64_t first = 0;
    if (!words_down(world, words, 1, &at) || !words_number(words->word[2], &first)) {
        return false;
    }
    struct storage *durable = &world->processes[at].disk.durable;
    uint64_t last = first;
    if (words->count > 3 && !words_number(words->word[3], &last)) {
        return false;
    }
    if (first == 0 || first > last || last > durable->length) {
        return words_fail(world, "no such slots on its disk", words->word[2]);
    }
    for (uint64_t slot = first; slot <= last; slot++) {
        durable->is_lost[slot] = true;
    }
    return true;
}

bool faults_copy(struct world *world, const struct words *words)
{
    int at = 0;
    if (!words_down(world, words, 1, &at)) {
        return false;
    }
    const struct process *process = &world->processes[at];
    struct process *twin = &world->processes[PAXOS_MEMBERS_MAX + process->seat];
    if (twin == process || twin->exists) {
        return words_fail(world, "it has a twin already", words->word[1]);
    }
    twin->exists = true;
    twin->starts = process->starts;
    twin->disk.latency_ms = process->disk.latency_ms;
    twin->disk.durable = process->disk.durable;
    return true;
}

bool faults_image(struct world *world, const struct words *words)
{
    int at = 0;
    if (!words_process(world, words, 1, &at)) {
        return false;
    }
    struct disk *disk = &world->processes[at].disk;
    if (disk->image == NULL) {
        disk->image = calloc(1, sizeof *disk->image);
        CHECK(disk->image != NULL);
    }
    *disk->image = disk->durable;
    return true;
}

bool faults_rollback(struct world *world, const struct words *words)
{
    int at = 0;
    if (!words_down(world, words, 1, &at)) {
        return false;
    }
    struct disk *disk = &world->processes[at].disk;
    if (disk->image == NULL) {
        return words_fail(world, "it has no image", words->word[1]);
    }
    disk->durable = *disk->image;
    return true;
}

/* ---- disks ---- */

/* From now on, also for the block in flight: it is as if it had begun now. */
static void restart_block(struct world *world, struct disk *disk, bool is_held)
{
    disk->is_held = is_held;
    if (!is_held && disk->started_ms + disk->latency_ms < world->now_ms) {
        disk->started_ms = world->now_ms - disk->latency_ms;
    }
}

static bool hold_disk(struct world *world, const struct words *words, bool is_held)
{
    int at = 0;
    if (!words_process(world, words, 2, &at)) {
        return false;
    }
    restart_block(world, &world->processes[at].disk, is_held);
    return true;
}

bool faults_release(struct world *world, const struct words *words)
{
    if (!words_has(words, 1, "disk")) {
        return words_fail(world, "release disk NODE", words->word[1]);
    }
    return hold_disk(world, words, false);
}

bool faults_slow(struct world *world, const struct words *words)
{
    int at = 0;
    uint64_t latency_ms = 0;
    if (!words_has(words, 1, "disk") || words->count < 4 ||
        !words_number(words->word[3], &latency_ms)) {
        return words_fail(world, "slow disk NODE TIME", words->word[1]);
    }
    if (!words_process(world, words, 2, &at)) {
        return false;
    }
    world->processes[at].disk.latency_ms = latency_ms;
    return true;
}

/* ---- links ---- */

static void cut(struct world *world, int from, int to, bool is_cut)
{
    // A twin shares the place of its original.
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            int a = from % PAXOS_MEMBERS_MAX + i * PAXOS_MEMBERS_MAX;
            int b = to % PAXOS_MEMBERS_MAX + j * PAXOS_MEMBERS_MAX;
            world->is_cut[a][b] = is_cut;
        }
    }
}

bool faults_cut(struct world *world, const struct words *words)
{
    int from = 0;
    int to = 0;
    bool is_one_way = words_has(words, 2, "->");
    if (!words_process(world, words, 1, &from)) {
        return false;
    }
    if (words->count == 2) { // from everybody
        for (uint32_t seat = 0; seat < world->options.members; seat++) {
            cut(world, from, (int)seat, true);
            cut(world, (int)seat, from, true);
        }
        return true;
    }
    if (!words_process(world, words, is_one_way ? 3 : 2, &to)) {
        return false;
    }
    cut(world, from, to, true);
    if (!is_one_way) {
        cut(world, to, from, true);
    }
    return true;
}

/* `links n1-n2 n2-n3`: these links work, no other does. */
bool faults_links(struct world *world, const struct words *words)
{
    int members = (int)world->options.members;
    for (int from = 0; from < members; from++) {
        for (int to = 0; to < members; to++) {
            cut(world, from, to, true);
        }
    }
    for (int i = 1; i < words->count; i++) {
        char left[NAME_BYTES] = "";
        char right[NAME_BYTES] = "";
        int a = -1;
        int b = -1;
        if (sscanf(words->word[i], "%7[^-]-%7s", left, right) == 2) {
            a = words_find_process(world, left);
            b = words_find_process(world, right);
        }
        if (a < 0 || b < 0) {
            return words_fail(world, "not a link", words->word[i]);
        }
        cut(world, a, b, false);
        cut(world, b, a, false);
    }
    return true;
}

bool faults_heal(struct world *world, const struct words *words)
{
    (void)words;
    memset(world->is_cut, 0, sizeof world->is_cut);
    network_release_held(world);
    world->rule_count = 0;
    return true;
}

bool faults_deliver(struct world *world, const struct words *words)
{
    (void)words;
    network_release_held(world);
    return true;
}

static bool parse_type(struct world *world, const char *name, int *out_type)
{
    *out_type = ANY;
    if (strcmp(name, "*") == 0) {
        return true;
    }
    for (uint32_t type = 1; type < PAXOS_MESSAGE_TYPES; type++) {
        if (strcmp(paxos_message_name(type), name) == 0) {
            *out_type = (int)type;
            return true;
        }
    }
    return words_fail(world, "no such message", name);
}

static bool parse_end(struct world *world, const struct words *words, int word, int *out)
{
    *out = ANY;
    return words_has(words, word, "*") || words_process(world, words, word, out);
}

/* TYPE FROM -> TO [next K] */
static bool add_rule(struct world *world, const struct words *words, bool is_hold)
{
    struct rule rule = {.is_hold = is_hold, .left = UINT32_MAX};
    uint64_t count = 0;
    if (words->count < 5 || !words_has(words, 3, "->")) {
        return words_fail(world, "TYPE FROM -> TO [next K]", words->word[0]);
    }
    if (!parse_type(world, words->word[1], &rule.type) ||
        !parse_end(world, words, 2, &rule.from) ||
        !parse_end(world, words, 4, &rule.to)) {
        return false;
    }
    if (words_has(words, 5, "next")) {
        if (words->count < 7 || !words_number(words->word[6], &count) || count == 0) {
            return words_fail(world, "TYPE FROM -> TO [next K]", words->word[0]);
        }
        rule.left = (uint32_t)count;
    }
    network_add_rule(world, &rule);
    return true;
}

bool faults_drop(struct world *world, const struct words *words)
{
    return add_rule(world, words, false);
}

bool faults_hold(struct world *world, const struct words *words)
{
    return words_has(words, 1, "disk") ? hold_disk(world, words, true)
                                       : add_rule(world, words, true);
}
