// How long to wait before the next attempt to reach the server: 0.5 s, doubling, up to 3 s.
// The jitter keeps a whole street from coming back in the same instant after a power cut.

const FIRST_MS = 500;
const LONGEST_MS = 3_000;

/** Milliseconds before attempt number `attempt` (0 is the first); `random` gives [0, 1). */
export function delayMs(attempt, random = Math.random) {
  const plain = FIRST_MS * 2 ** Math.min(attempt, 10);
  return Math.min(LONGEST_MS, plain * (1 + random() / 2));
}
