/*
 * cli.h - the command line: one program, one file a command.
 *
 * Exit codes: ask.h has those of the client's commands. Of the server: 0 ok, 2 usage or a
 * bad configuration, 65 damaged or rolled back data directory, 69 busy port, 71 too few
 * files or sockets, 73 unusable data directory, 74 failed write, 128 + signal if a second
 * one cut the stop short.
 *
 * Thread: main only.
 */
#ifndef CONSENS_CLI_CLI_H
#define CONSENS_CLI_CLI_H

/* Runs the command that argv[1] names; the exit code of the process. */
int cli_main(int argc, char **argv);

#endif
