// The sum of a metric's samples whose labels hold all of these, in the text of /metrics.
export function value(text, name, ...labels) {
  let sum = 0;
  for (const line of text.split('\n')) {
    const sample = /^([a-z_]+)(\{[^}]*\})? (\S+)$/.exec(line);
    if (sample && sample[1] === name && labels.every((label) => (sample[2] ?? '').includes(label))) sum += Number(sample[3]);
  }
  return sum;
}
