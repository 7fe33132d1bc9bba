/* sim: Florin in a simulated world: seeded time, disk, network, provider, clients and crashes, and
 * judges that share no code with what they judge. The program is `florin-sim`; docs/simulator.md.
 */
#ifndef FLORIN_SIM_H
#define FLORIN_SIM_H

/* Runs the program. Returns its exit status: 0 nothing found, 1 a violation, 2 wrong usage. */
int sim_main(int argc, char **argv);

#endif
