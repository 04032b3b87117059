// The bell: two struck notes, made here so that nothing has to be loaded, and a buzz in the hand.

const NOTES = [
  { hertz: 659.26, after: 0 },
  { hertz: 523.25, after: 0.55 },
];
// A bar's overtones: ratio to the note, loudness, seconds until it has died away.
const PARTIALS = [
  { ratio: 1, gain: 0.5, decay: 1.9 },
  { ratio: 2, gain: 0.16, decay: 1.1 },
  { ratio: 3.93, gain: 0.07, decay: 0.5 },
];
const REPEAT_MS = 3_200;
const BUZZ_MS = [250, 150, 250];
const SILENCE = 0.0001;

export class Ring {
  #context;
  #exit = null;
  #timer = 0;

  /** `context` is an AudioContext, or null where sound cannot be synthesised. */
  constructor(context) {
    this.#context = context;
    context?.addEventListener("statechange", () => this.#timer && this.#strike());
  }

  start() {
    if (this.#timer) return;
    this.#timer = setInterval(() => this.#repeat(), REPEAT_MS);
    this.#repeat();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    buzz(0);
    this.#fade();
  }

  #repeat() {
    buzz(BUZZ_MS);
    this.#strike();
  }

  #strike() {
    // Notes planned on a clock that stands still would all sound at once when it starts.
    if (this.#context?.state !== "running") return;
    this.#fade();
    this.#exit = new GainNode(this.#context, { gain: 0.6 });
    this.#exit.connect(this.#context.destination);
    for (const note of NOTES) this.#note(note);
  }

  #note({ hertz, after }) {
    const start = this.#context.currentTime + 0.02 + after;
    for (const { ratio, gain, decay } of PARTIALS) {
      const loudness = new GainNode(this.#context, { gain: 0 });
      loudness.gain.setValueAtTime(SILENCE, start);
      loudness.gain.exponentialRampToValueAtTime(gain, start + 0.008);
      loudness.gain.exponentialRampToValueAtTime(SILENCE, start + decay);
      const tone = new OscillatorNode(this.#context, { frequency: hertz * ratio });
      tone.connect(loudness).connect(this.#exit);
      tone.start(start);
      tone.stop(start + decay);
    }
  }

  #fade() {
    const exit = this.#exit;
    this.#exit = null;
    if (!exit) return;
    exit.gain.setTargetAtTime(0, this.#context.currentTime, 0.03);
    setTimeout(() => exit.disconnect(), 300);
  }
}

function buzz(pattern) {
  // Before the first touch browsers refuse this, with an error in the console.
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(pattern);
}
