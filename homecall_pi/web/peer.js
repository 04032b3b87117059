// One connection to the door: it answers offers, hands out the visitor's media and knows its end.

import { Control } from "./control.js";
import { hasUfrag, invitesControl, sameSession, ufragOf, withControl } from "./sdp.js";

// A ring whose connection does not come about is a ring of a door that has gone.
const CONNECT_LIMIT_MS = 20_000;
// Nothing was heard of the door for so long: it, or the network, is in trouble. It is shown within
// three seconds, since what has arrived is played for some time yet.
const SILENT_MS = 2_000;
const LOOK_MS = 250;
// A connection that takes longer may have been answered by a line that is dead.
const SLOW_MS = 5_000;
const CONNECTING = new Set(["new", "connecting"]);
// One that is left while it connects gets so long to do so.
const PART_LIMIT_MS = 3_000;
// Somebody is waiting at the door: prefer a rare hiccup to a constant delay.
const VOICE_DELAY_MS = 40;

export class Peer {
  #connection;
  #handlers;
  #control = null;
  #offer = "";
  #answer = null;
  #limit = 0;
  #slow = 0;
  #look = 0;
  #heard = { newest: -Infinity, at: 0 };
  #wasUnstable = false;
  #close;
  #closed = new Promise((resolve) => (this.#close = resolve));

  /**
   * `handlers`: onCandidate(init), onSlow() if it takes long to connect, onConnected(),
   * onUnstable(), onStable(), onDoor(release), and once either onEnded(reason) or, when the door has
   * gone without a word and may come back, onLost(why), "failed" if it never was connected.
   */
  constructor(connection, handlers) {
    this.#connection = connection;
    this.#handlers = handlers;
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) handlers.onCandidate(candidate.toJSON());
    };
    connection.onconnectionstatechange = () => this.#connectionChanged();
    this.#limit = setTimeout(() => this.#lost("failed"), CONNECT_LIMIT_MS);
    this.#slow = setTimeout(() => this.#handlers?.onSlow(), SLOW_MS);
  }

  get isConnected() {
    return this.#connection.connectionState === "connected";
  }

  /** True when nothing more will be reported of it. */
  get isOver() {
    return this.#handlers === null;
  }

  hasOffer(sdp) {
    return this.#offer === sdp;
  }

  continues(sdp) {
    return sameSession(this.#offer, sdp);
  }

  /**
   * Takes an offer and returns the answer's text, which may be sent before `settle` is called:
   * every millisecond here is one the visitor waits.
   */
  async accept(sdp) {
    await this.#alive(this.#connection.setRemoteDescription({ type: "offer", sdp }));
    // The microphone is negotiated now and silent; a track comes in later without a new offer.
    const voice = this.#transceiver("audio");
    if (voice) voice.direction = "sendrecv";
    if (invitesControl(sdp)) this.#control ??= this.#openControl();
    this.#offer = sdp;
    this.#answer = await this.#alive(this.#connection.createAnswer());
    return this.#control ? withControl(this.#answer.sdp) : this.#answer.sdp;
  }

  /** Puts the answer in force; candidates of this side follow. */
  async settle() {
    await this.#alive(this.#connection.setLocalDescription(this.#answer));
    preferPromptness(this.#transceiver("video")?.receiver, 0);
    preferPromptness(this.#transceiver("audio")?.receiver, VOICE_DELAY_MS);
    for (const { receiver } of this.#connection.getTransceivers()) this.#watchTransport(receiver);
  }

  /** True when the candidate is, or may be, one of this connection's offer. */
  owns(candidate) {
    const ufrag = ufragOf(candidate);
    return this.#offer !== "" && (ufrag === null || hasUfrag(this.#offer, ufrag));
  }

  async addCandidate(candidate) {
    await this.#alive(this.#connection.addIceCandidate(candidate));
  }

  /** The visitor's tracks; either may be null. */
  get media() {
    return {
      picture: this.#transceiver("video")?.receiver.track ?? null,
      sound: this.#transceiver("audio")?.receiver.track ?? null,
    };
  }

  /** Sends this track as our voice; null is silence. */
  async speak(track) {
    await this.#transceiver("audio")?.sender.replaceTrack(track);
  }

  say(word) {
    this.#control?.say(word);
  }

  /**
   * Ends the call from this side: nothing is reported any more, the word gets out, then it closes;
   * not while it connects, for the other side would not notice, and wait.
   */
  async part(word) {
    this.#deafen();
    if (word && this.#control) await this.#control.farewell(word);
    else await this.#stands();
    this.#hangUp();
  }

  /** Resolves when it stands or has failed; not after long. To be called when nobody listens. */
  #stands() {
    const connection = this.#connection;
    return new Promise((resolve) => {
      const look = () => CONNECTING.has(connection.connectionState) || resolve();
      connection.onconnectionstatechange = look;
      setTimeout(resolve, PART_LIMIT_MS);
      look();
    });
  }

  /** Ends it at once, with what can still be said. */
  close(word) {
    this.#deafen();
    if (word) this.say(word);
    this.#hangUp();
  }

  #hangUp() {
    this.#connection.close();
    this.#close(null);
  }

  // What is asked of a connection that closes meanwhile is never answered (W3C webrtc, 4.4.1.2):
  // whoever waits must not wait forever.
  async #alive(operation) {
    const result = await Promise.race([operation, this.#closed]);
    if (this.#connection.signalingState === "closed") throw new Error("the connection is closed");
    return result;
  }

  #openControl() {
    return new Control(this.#connection, {
      onEnded: (reason) => this.#ended(reason),
      onLost: () => this.#lost("lost"),
      onDoor: (release) => this.#handlers?.onDoor(release),
    });
  }

  #transceiver(kind) {
    return this.#connection.getTransceivers().find(({ receiver }) => receiver.track.kind === kind);
  }

  // A closed connection without a control channel is known first by its DTLS transport.
  #watchTransport(receiver) {
    const transport = receiver.transport;
    if (transport) {
      transport.onstatechange = () => transport.state === "closed" && this.#lost("lost");
    }
  }

  #connectionChanged() {
    const state = this.#connection.connectionState;
    if (state === "failed" || state === "closed") this.#lost("lost");
    else if (state === "connected") this.#connected();
  }

  #connected() {
    this.#handlers?.onConnected();
    clearTimeout(this.#limit);
    clearTimeout(this.#slow);
    clearInterval(this.#look);
    this.#look = setInterval(() => this.#listen(), LOOK_MS);
  }

  // The browser takes twice as long to say that a connection is "disconnected".
  #listen() {
    // A source is forgotten when it has been silent for ten seconds (W3C webrtc, 5.3).
    const heard = this.#connection
      .getReceivers()
      .map((receiver) => receiver.getSynchronizationSources()[0]?.timestamp ?? -Infinity);
    const newest = Math.max(...heard);
    const now = performance.now();
    if (newest > this.#heard.newest) this.#heard = { newest, at: now };
    const silent = this.#heard.at > 0 && now - this.#heard.at >= SILENT_MS;
    if (silent === this.#wasUnstable) return;
    this.#wasUnstable = silent;
    if (silent) this.#handlers?.onUnstable();
    else this.#handlers?.onStable();
  }

  // A door of ours says why it ends a call. One that has said nothing did not mean to.
  #lost(reason) {
    if (!this.#control) return this.#ended(reason);
    const handlers = this.#handlers;
    this.#deafen();
    handlers?.onLost(reason);
  }

  #ended(reason) {
    const handlers = this.#handlers;
    this.#deafen();
    handlers?.onEnded(reason);
  }

  #deafen() {
    clearTimeout(this.#limit);
    clearTimeout(this.#slow);
    clearInterval(this.#look);
    this.#handlers = null;
  }
}

function preferPromptness(receiver, delayMs) {
  if (!receiver) return;
  if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = delayMs;
  else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = delayMs / 1000;
}
