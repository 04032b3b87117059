// Every event comes in at one door, goes through the tables of call.js, and its actions go out at
// one door. This module decides nothing; it is where the parts meet.

import { INITIAL, shown, step } from "./call.js";

const RETRY_JOIN_MS = 4_000;
// A server that refuses a join does so at once; no word for this long means that it took it.
const ADMITTED_AFTER_MS = 1_500;
// The door tries as long to come back in a call.
const RESUME_MS = 60_000;
const REASONS = new Set(["hung-up", "no-answer", "too-long", "failed", "declined"]);

export class Intercom {
  #state = INITIAL;
  #parts;
  #timers = { retry: 0, admitted: 0, resume: 0 };
  #call = "";
  #hungUpAt = -RESUME_MS;

  /**
   * `parts`: line, negotiation, microphone, speaker, release, ring, title, notice, wake, view,
   * settings (name), translate.
   */
  constructor(parts) {
    this.#parts = parts;
  }

  /** Lets an event happen. `detail` goes to its actions: from, reason, said. */
  happen(event, detail = {}) {
    const before = this.#state.call;
    const { state, actions } = step(this.#state, event);
    this.#state = state;
    this.#parts.view.show(shown(state), { up: this.#parts.line.isUp });
    this.#parts.wake.wanted = state.call !== "idle";
    for (const action of actions) this.#perform(action, { ...detail, before });
  }

  /** An offer of `call` arrived; who does not tell which it is goes on with the one that there is. */
  offered({ from, call }) {
    const event = this.#kindOf(call);
    this.#call = call;
    this.happen(event, { from });
  }

  /** A person answers the ring. */
  answered() {
    this.happen(this.#parts.negotiation.peer?.isConnected ? "answer" : "early-answer");
  }

  #kindOf(call) {
    const justHungUp = performance.now() - this.#hungUpAt < RESUME_MS;
    const tells = call !== "" && this.#call !== "";
    if (this.#state.call === "idle" && justHungUp && tells && call === this.#call) {
      return "late-offer";
    }
    return this.#isAnswered && tells && call !== this.#call ? "next-offer" : "offer";
  }

  /** The page goes away: say the last word while there is time. */
  vanish() {
    const { negotiation, line } = this.#parts;
    negotiation.close(this.#isAnswered ? "hung-up" : undefined);
    line.close();
  }

  get #isAnswered() {
    return this.#state.call === "talking" || this.#state.call === "answering";
  }

  #perform(action, detail) {
    const [verb, word] = action.split(":");
    this.#verbs[verb](word, detail);
  }

  #verbs = {
    connect: () => this.#parts.line.connect(this.#parts.settings.name),
    rejoin: () => this.#rejoin(),
    "retry-join": () => this.#retryJoin(),
    "stop-retrying": () => this.#stopRetrying(),
    "show-visitor": (_, { from }) => this.#showVisitor(from),
    ring: () => this.#ring(),
    hush: () => this.#hush(),
    say: (word) => this.#parts.negotiation.peer?.say(word),
    part: (word) => this.#part(word),
    "drop-offers": () => this.#parts.negotiation.dropOffers(),
    await: (whom) => this.#await(whom),
    "open-microphone": () => this.#parts.microphone.open(),
    "close-microphone": () => this.#parts.microphone.close(),
    "carry-microphone": () => this.#parts.negotiation.peer.speak(this.#parts.microphone.track),
    "start-clock": () => this.#parts.view.startClock(),
    "stop-clock": () => this.#parts.view.stopClock(),
    "note-unstable": () => this.#parts.view.setUnstable(true),
    "note-missed": () => this.#parts.view.noteMissed(new Date()),
    tell: (key) => this.#tell(key),
    "tell-error": (_, { said }) => this.#parts.view.toast(said, { isState: true }),
    "tell-reason": (_, { reason, before }) => this.#tellReason(reason, before),
  };

  #tell(key) {
    this.#parts.view.toast(this.#parts.translate(key), { isState: true });
  }

  #rejoin() {
    const { line } = this.#parts;
    line.forget();
    line.leave();
    line.join();
  }

  #retryJoin() {
    this.#stopRetrying();
    this.#timers.retry = setTimeout(() => {
      this.#parts.line.join();
      this.#timers.admitted = setTimeout(() => this.happen("admitted"), ADMITTED_AFTER_MS);
    }, RETRY_JOIN_MS);
  }

  #stopRetrying() {
    clearTimeout(this.#timers.retry);
    clearTimeout(this.#timers.admitted);
  }

  #showVisitor(from) {
    const { view, speaker, negotiation, release } = this.#parts;
    const { picture, sound } = negotiation.peer.media;
    release.forget();
    view.showVisitor(from, picture);
    if (sound) speaker.play(new MediaStream([sound]));
  }

  #ring() {
    const { ring, title, notice, view, translate } = this.#parts;
    ring.start();
    title.flash(translate("title-ringing"));
    notice.show(translate("ringing"));
    view.clearNotes();
  }

  #hush() {
    const { ring, title, notice } = this.#parts;
    ring.stop();
    title.calm();
    notice.clear();
  }

  #await(whom) {
    clearTimeout(this.#timers.resume);
    if (whom === "nobody") return;
    this.#timers.resume = setTimeout(() => this.happen("given-up"), RESUME_MS);
  }

  #part(word) {
    const { negotiation, speaker, release, view } = this.#parts;
    if (word === "hung-up") this.#hungUpAt = performance.now();
    negotiation.part(word);
    speaker.stop();
    release.forget();
    view.hideVisitor();
  }

  #tellReason(reason, before) {
    const known = REASONS.has(reason) ? reason : "lost";
    const key = before === "ringing" && known === "no-answer" ? "missed" : `ended-${known}`;
    this.#tell(key);
  }
}
