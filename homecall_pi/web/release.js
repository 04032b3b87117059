// The button that opens the door. It takes two touches, so that no pocket opens it, and then shows
// what the door says of its release.

const SURE_MS = 5_000;
// Both clicks of a double click are one touch.
const TWICE_MS = 500;
const OPEN_LIMIT_MS = 3_000;

export class Release {
  #handlers;
  #state = "none";
  #since = 0;
  #timer = 0;

  /**
   * `handlers`: onChange(state), onAsk() when the door is to open, onFailed() when it does not.
   * The states: "none" there is no release, "closed", "sure" after the first touch, "asked", "open".
   */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** The door says what its release does: "none", "closed" or "open". */
  doorIs(door) {
    const waits = this.#state === "sure" || this.#state === "asked";
    if (door === "open" || (door === "closed" && !waits)) this.#become(door);
    else if (door !== "closed") this.forget();
  }

  /** There is no door to open any more. */
  forget() {
    this.#become("none");
  }

  touch() {
    if (this.#state === "closed") {
      this.#become("sure", SURE_MS, () => this.#become("closed"));
    } else if (this.#state === "sure" && performance.now() - this.#since >= TWICE_MS) {
      this.#become("asked", OPEN_LIMIT_MS, () => this.#failed());
      this.#handlers.onAsk();
    }
  }

  #failed() {
    this.#become("closed");
    this.#handlers.onFailed();
  }

  #become(state, limitMs, then) {
    clearTimeout(this.#timer);
    if (then) this.#timer = setTimeout(then, limitMs);
    if (state === this.#state) return;
    this.#state = state;
    this.#since = performance.now();
    this.#handlers.onChange(state);
  }
}
