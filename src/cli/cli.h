/* cli: the commands of the florin program. */
#ifndef FLORIN_CLI_H
#define FLORIN_CLI_H

/* Runs a command. Shape: the result is the exit status: 0 done, 1 failed, 2 wrong usage. */
int cli_main(int argc, char **argv);

#endif
