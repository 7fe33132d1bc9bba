// Processes that tests start: looked at, run to their end, and never left behind.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { SLOW } from './wait.mjs';

const endings = [];

// `what` (not async) runs when this process ends, however it ends but by SIGKILL; in the order in which it was asked for.
export function atExit(what) {
  if (endings.length === 0) {
    process.on('exit', () => { for (const one of endings) one(); });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
  }
  endings.push(what);
}

// Ends one thing after the other, also when one does not end well; then tells of the first that did not.
export async function endAll(...steps) {
  const errors = [];
  for (const step of steps) {
    try { await step(); } catch (error) { errors.push(error); }
  }
  if (errors.length) throw errors[0];
}

// A process that waits for an init that is slow to reap it has ended too.
export const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch { return false; }
};

// Runs a command to its end: {code, signal, stdout, stderr}. `input` is its standard input.
export function runProcess(command, args, { input, timeout = 30000, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'], timeout: timeout * SLOW, killSignal: 'SIGKILL', ...options,
    });
    let stdout = '', stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => (stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk) => (stderr += chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    child.stdin?.on('error', () => { /* it ended before it read everything */ });
    child.stdin?.end(input);
  });
}
