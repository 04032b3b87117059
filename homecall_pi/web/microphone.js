// Our voice: taken only while a call is answered, so that the browser's lamp tells the truth.

const VOICE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

export class Microphone {
  #track = null;
  #wanted = false;
  #muted = false;
  #denied = false;
  #handlers;

  /** `handlers`: onTrack(track or null), onChange(), onDenied(). */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  get track() {
    return this.#track;
  }

  /** "off", "on", "muted" or "denied". */
  get state() {
    if (!this.#wanted) return "off";
    if (this.#denied) return "denied";
    if (this.#muted) return "muted";
    return this.#track ? "on" : "off";
  }

  /** Asks for the microphone; a refusal leaves a call one can listen to. */
  async open() {
    this.#wanted = true;
    this.#denied = false;
    this.#handlers.onChange();
    const track = await takeVoice();
    if (!this.#wanted || this.#track) return track?.stop();
    if (!track) return this.#refused();
    this.#use(track);
  }

  /** Mutes, unmutes, or asks again after a refusal. */
  toggle() {
    if (this.#denied) return this.open();
    this.#muted = !this.#muted;
    if (this.#track) this.#track.enabled = !this.#muted;
    this.#handlers.onChange();
  }

  /** Lets the microphone go; the next call starts unmuted. */
  close() {
    this.#wanted = this.#muted = this.#denied = false;
    this.#drop();
    this.#handlers.onChange();
  }

  #use(track) {
    this.#track = track;
    track.enabled = !this.#muted;
    // Unplugged, or taken back in the browser's settings.
    track.onended = () => this.#refused();
    this.#handlers.onTrack(track);
    this.#handlers.onChange();
  }

  #refused() {
    this.#drop();
    this.#denied = true;
    this.#handlers.onChange();
    this.#handlers.onDenied();
  }

  #drop() {
    if (!this.#track) return;
    this.#track.onended = null;
    this.#track.stop();
    this.#track = null;
    this.#handlers.onTrack(null);
  }
}

/** True when the browser has not asked about the microphone yet, and would do so in a call. */
export async function microphoneUnasked() {
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state === "prompt";
  } catch {
    return false;
  }
}

/** A microphone track, or null when there is none or it is not allowed. */
export async function takeVoice() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: VOICE });
    return stream.getAudioTracks()[0] ?? null;
  } catch {
    return null;
  }
}
