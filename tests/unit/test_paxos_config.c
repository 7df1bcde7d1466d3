/*
 * The Config on disk and the list of seats a core is started with: quorums are counted in
 * the list, so the two must be of one cluster (G1).
 */
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

static void config_of_these_seats_fits(void **state)
{
    (void)state;
    for (uint32_t members = 1; members <= PAXOS_MEMBERS_MAX; members++) {
        struct paxos_rig rig;
        paxos_rig_init(&rig, members - 1, members);
        assert_true(paxos_config_fits(&rig.settings, &rig.recovered.config));
        rig.recovered.config.started = 0;
        assert_true(paxos_config_fits(&rig.settings, &rig.recovered.config));
    }
}

static void config_of_another_list_does_not_fit(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 1, 5);
    const struct paxos_config *config = &rig.recovered.config;
    struct paxos_settings fewer = rig.settings;
    fewer.member_count = 3;
    assert_false(paxos_config_fits(&fewer, config));
    struct paxos_settings more = rig.settings;
    more.member_count = 7;
    assert_false(paxos_config_fits(&more, config));
    struct paxos_settings moved = rig.settings;
    moved.seat = 2;
    assert_false(paxos_config_fits(&moved, config));
    struct paxos_settings beyond = rig.settings; // a seat that the Config does not have
    beyond.member_count = 7;
    beyond.seat = 6;
    assert_false(paxos_config_fits(&beyond, config));
    struct paxos_settings replaced = rig.settings;
    replaced.incarnation = paxos_rig_incarnation(6);
    assert_false(paxos_config_fits(&replaced, config));
}

static void config_that_is_none_or_of_another_epoch_does_not_fit(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 1, 3);
    rig.recovered.config.epoch = 2;
    assert_false(paxos_config_fits(&rig.settings, &rig.recovered.config));
    rig.recovered.config = (struct paxos_config){0};
    assert_false(paxos_config_fits(&rig.settings, &rig.recovered.config));
}

/* It would elect itself, and acknowledge what two others know nothing of. */
static void node_of_three_does_not_start_alone(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.settings.member_count = 1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO); // what it says is not of interest
        paxos_rig_start(&rig);
        _exit(rig.view.role == PAXOS_LEADER ? 3 : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_of_these_seats_fits),
        cmocka_unit_test(config_of_another_list_does_not_fit),
        cmocka_unit_test(config_that_is_none_or_of_another_epoch_does_not_fit),
        cmocka_unit_test(node_of_three_does_not_start_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
