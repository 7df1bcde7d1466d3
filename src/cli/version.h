/*
 * version.h - the number of this release.
 *
 * Thread: any.
 */
#ifndef CONSENS_CLI_VERSION_H
#define CONSENS_CLI_VERSION_H

#define CLI_VERSION "0.1.0"

#endif
