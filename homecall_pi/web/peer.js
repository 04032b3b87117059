// One connection to the door: it answers offers, hands out the visitor's media and knows its end.

import { Control } from "./control.js";
import { hasUfrag, invitesControl, sameSession, ufragOf, withControl } from "./sdp.js";

// A ring whose connection does not come about is a ring of a door that has gone.
const CONNECT_LIMIT_MS = 20_000;
// Somebody is waiting at the door: prefer a rare hiccup to a constant delay.
const VOICE_DELAY_MS = 40;

export class Peer {
  #connection;
  #handlers;
  #control = null;
  #offer = "";
  #answer = null;
  #limit = 0;
  #wasUnstable = false;
  #close;
  #closed = new Promise((resolve) => (this.#close = resolve));

  /** `handlers`: onCandidate(init), onUnstable(), onStable(), onEnded(reason); the last once. */
  constructor(connection, handlers) {
    this.#connection = connection;
    this.#handlers = handlers;
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) handlers.onCandidate(candidate.toJSON());
    };
    connection.onconnectionstatechange = () => this.#connectionChanged();
    this.#limit = setTimeout(() => this.#ended("failed"), CONNECT_LIMIT_MS);
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

  /** Ends the call from this side: nothing is reported any more, the word gets out, then it closes. */
  async part(word) {
    this.#deafen();
    if (word && this.#control) await this.#control.farewell(word);
    this.#hangUp();
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
    return new Control(this.#connection, (reason) => this.#ended(reason));
  }

  #transceiver(kind) {
    return this.#connection.getTransceivers().find(({ receiver }) => receiver.track.kind === kind);
  }

  // A closed connection without a control channel is known first by its DTLS transport.
  #watchTransport(receiver) {
    const transport = receiver.transport;
    if (transport) {
      transport.onstatechange = () => transport.state === "closed" && this.#ended("lost");
    }
  }

  #connectionChanged() {
    const state = this.#connection.connectionState;
    if (state === "failed" || state === "closed") this.#ended("lost");
    else if (state === "connected") this.#connected();
    else if (state === "disconnected") this.#unstable();
  }

  #connected() {
    clearTimeout(this.#limit);
    if (this.#wasUnstable) this.#handlers?.onStable();
    this.#wasUnstable = false;
  }

  #unstable() {
    this.#wasUnstable = true;
    this.#handlers?.onUnstable();
  }

  #ended(reason) {
    const handlers = this.#handlers;
    this.#deafen();
    handlers?.onEnded(reason);
  }

  #deafen() {
    clearTimeout(this.#limit);
    this.#handlers = null;
  }
}

function preferPromptness(receiver, delayMs) {
  if (!receiver) return;
  if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = delayMs;
  else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = delayMs / 1000;
}
