// A small seeded generator (mulberry32): the same seed makes the same choices.
export function createRandom(seed) {
  let state = seed;
  function random() {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  const below = (n) => Math.floor(random() * n);
  return { random, below, pick: (list) => list[below(list.length)] };
}

// SEED of the environment, or a new one.
export const newSeed = () => Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
