// Everything the page lets be heard: the visitor's voice and the bell. Browsers keep a page silent
// until it is touched for the first time; this module knows when that is so, and ends it.

// A browser that allows sound needs a moment to start it; only then is silence a fact.
const SETTLE_MS = 400;
const TOUCHES = ["pointerdown", "pointerup", "keydown", "click"];

export class Speaker {
  #audio;
  #context = "AudioContext" in globalThis ? new AudioContext() : null;
  #voiceBlocked = false;
  #settled = false;
  #onChange;

  /** `onChange()` is called whenever `blocked` may have changed. */
  constructor(audio, onChange) {
    this.#audio = audio;
    this.#onChange = onChange;
    for (const touch of TOUCHES) addEventListener(touch, () => this.#touched(), { capture: true });
    this.#context?.addEventListener("statechange", onChange);
    setTimeout(() => this.#settle(), SETTLE_MS);
  }

  /** The clock and exit of synthesised sound; null where the browser has none. */
  get context() {
    return this.#context;
  }

  /** True while the browser lets nothing be heard. */
  get blocked() {
    return this.#voiceBlocked || (this.#settled && !this.#bellAudible);
  }

  set volume(share) {
    this.#audio.volume = share;
  }

  /** False on systems where only the hardware buttons set the volume. */
  get hasVolume() {
    const before = this.#audio.volume;
    this.#audio.volume = 0.5;
    const settable = this.#audio.volume === 0.5;
    this.#audio.volume = before;
    return settable;
  }

  /** Plays the visitor's voice. */
  play(stream) {
    this.#audio.srcObject = stream;
    this.#start();
  }

  stop() {
    this.#audio.srcObject = null;
    this.#setVoiceBlocked(false);
  }

  get #bellAudible() {
    return !this.#context || this.#context.state === "running";
  }

  #settle() {
    this.#settled = true;
    this.#onChange();
  }

  #touched() {
    if (this.#context?.state !== "running") this.#context?.resume().catch(() => {});
    if (this.#audio.srcObject && this.#audio.paused) this.#start();
  }

  async #start() {
    try {
      await this.#audio.play();
      this.#setVoiceBlocked(false);
    } catch (error) {
      if (error.name === "NotAllowedError") this.#setVoiceBlocked(true);
    }
  }

  #setVoiceBlocked(blocked) {
    this.#voiceBlocked = blocked;
    this.#onChange();
  }
}
