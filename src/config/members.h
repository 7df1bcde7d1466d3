/*
 * members.h - the list of nodes: from CLUSTER and PORT or from the file, completed,
 * checked, sorted, and which of them this one is.
 *
 * All nodes must derive the same list, in the same order, or they will not talk to each
 * other.
 *
 * Thread: any.
 */
#ifndef CONSENS_CONFIG_MEMBERS_H
#define CONSENS_CONFIG_MEMBERS_H

#include "config/sentence.h"
#include "config/settings.h"

enum {
    MEMBERS_PORT_PRESET = 3000,
    MEMBERS_PEER_STEP = 10000, // added to the HTTP port, where nothing else is said
    MEMBERS_CLIENT_STEP = 20000,
    MEMBERS_EVENTS_STEP = 30000,
};

/* Fills the nodes from CLUSTER (the other nodes, this one may be among them) and PORT.
 * */
bool members_from_environment(const struct settings_source *source,
                              struct settings *settings,
                              struct sentence *out_error);

/* Completes the nodes that the file gave and finds this one's seat by its name. */
bool members_from_file(const struct settings_source *source,
                       struct settings *settings,
                       struct sentence *out_error);

#endif
