// The messages of a call, in order, and the one peer they belong to. The newest offer wins.

import { callOf } from "./sdp.js";

// No door sends as much; a server that does is not let take our memory, nor send our checks around.
const CANDIDATE_LIMIT = 100;
const WAITING_LIMIT = 64;
// More early candidates than this belong to no call of ours.
const EARLY_LIMIT = 64;

export class Negotiation {
  #seal;
  #makePeer;
  #send;
  #handlers;
  #peer = null;
  #proof = "none";
  #newestOffer = 0;
  #early = [];
  #told = [];
  #added = 0;
  #waiting = 0;
  #tail = Promise.resolve();

  /**
   * `seal` is the link's; `makePeer(handlers)` promises an unused Peer; `send(type, fields)` reaches
   * the other side.
   * `handlers`: onOffer({from, call}), onSlow(), onConnected(), onUnstable(), onStable(), also for a
   * connection that has come in the place of another, onLost(why), onEnded(reason), onBadOffer(),
   * onRefused(), onDoor(release), and onProof(proof) with what is known of the door:
   * a word of Seal.check, or "pending" until the one who sealed the offer is surely connected.
   */
  constructor({ seal, makePeer, send, handlers }) {
    this.#seal = seal;
    this.#makePeer = makePeer;
    this.#send = send;
    this.#handlers = handlers;
  }

  get peer() {
    return this.#peer;
  }

  /** True when the door has a key and this link has not: the door may not want it. */
  get lacksKey() {
    return this.#proof === "keyless";
  }

  /** Takes an offer or a candidate from the line. An answer is not for us: we never offer. */
  hear(message) {
    if (this.#waiting === WAITING_LIMIT) return;
    if (message.type === "offer" && typeof message.sdp === "string") {
      const number = ++this.#newestOffer;
      this.#queue(() => this.#offered(message, number));
    } else if (message.type === "candidate" && message.candidate?.candidate) {
      this.#queue(() => this.#candidate(message.candidate));
    }
  }

  /** Answers no offer of before: whoever made it is answered elsewhere. */
  dropOffers() {
    this.#newestOffer += 1;
  }

  /** Lets go of the peer: the call is over here, its last word may still be on its way. */
  part(word) {
    this.#release()?.part(word);
  }

  /** Lets go of the peer without waiting for anything. */
  close(word) {
    this.#release()?.close(word);
  }

  #release() {
    const peer = this.#peer;
    this.#peer = null;
    this.#early = [];
    return peer;
  }

  #queue(task) {
    this.#waiting += 1;
    this.#tail = this.#tail.then(task).finally(() => (this.#waiting -= 1));
  }

  async #offered({ sdp, from }, number) {
    // A queue delivered two at once: only the newest door is still standing there.
    if (number !== this.#newestOffer) return;
    const before = this.#peer;
    if (before?.hasOffer(sdp) && !before.isOver) return this.#tellAgain();
    try {
      const proof = await this.#seal.check(sdp);
      if (this.#refuses(proof)) return this.#handlers.onRefused();
      if (before?.continues(sdp) && !before.isOver) await this.#renegotiate(sdp);
      else await this.#begin(sdp, String(from ?? ""), number, proof);
    } catch {
      // An offer that failed because its call has ended meanwhile is nobody's concern.
      if (this.#peer === before) this.#handlers.onBadOffer();
    }
  }

  // Who offers again has not got the answer: a line was dead, theirs or ours.
  #tellAgain() {
    if (this.#peer.isConnected) return;
    for (const [type, fields] of this.#told) this.#send(type, fields);
  }

  // Who cannot prove it does not take over from a door that could: a call would change hands.
  #refuses(proof) {
    const isVerified = this.#peer !== null && this.#proof === "valid";
    return proof === "wrong" || (isVerified && proof !== "valid");
  }

  async #renegotiate(sdp) {
    const peer = this.#peer;
    const answer = await this.#seal.answer(sdp, await peer.accept(sdp));
    this.#told.length = 0;
    this.#tell(this.#told, "answer", { sdp: answer });
    await peer.settle();
  }

  async #begin(sdp, from, number, proof) {
    const replaces = this.#peer !== null;
    const told = [];
    const peer = await this.#newPeer(replaces, told);
    try {
      const answer = await this.#seal.answer(sdp, await peer.accept(sdp));
      if (number !== this.#newestOffer) return peer.close();
      this.#tell(told, "answer", { sdp: answer });
    } catch (error) {
      peer.close();
      throw error;
    }
    this.#peer?.close();
    this.#peer = peer;
    this.#told = told;
    this.#added = 0;
    this.#proof = proof;
    const settled = peer.settle();
    this.#handlers.onProof(proof === "valid" ? "pending" : proof);
    this.#handlers.onOffer({ from, call: callOf(sdp) });
    await settled;
    await this.#addEarly(peer);
  }

  // Keeps what is told, to be told again.
  #tell(told, type, fields) {
    told.push([type, fields]);
    this.#send(type, fields);
  }

  async #newPeer(replaces, told) {
    const mine = (handler) => (detail) => peer === this.#peer && handler(detail);
    const peer = await this.#makePeer({
      onCandidate: (candidate) => this.#tell(told, "candidate", { candidate }),
      onSlow: mine(this.#handlers.onSlow),
      onConnected: mine(() => this.#connected(replaces)),
      onDoor: mine((release) => this.#proof === "valid" && this.#handlers.onDoor(release)),
      onUnstable: mine(this.#handlers.onUnstable),
      onStable: mine(this.#handlers.onStable),
      onLost: mine(this.#handlers.onLost),
      onEnded: mine(this.#handlers.onEnded),
    });
    return peer;
  }

  #connected(replaces) {
    this.#handlers.onProof(this.#proof);
    if (replaces) this.#handlers.onStable();
    this.#handlers.onConnected();
  }

  async #candidate(candidate) {
    if (this.#peer?.owns(candidate)) await this.#add(candidate);
    else this.#early = [...this.#early, candidate].slice(-EARLY_LIMIT);
  }

  async #addEarly(peer) {
    const early = this.#early.filter((candidate) => peer.owns(candidate));
    this.#early = [];
    for (const candidate of early) await this.#add(candidate);
  }

  async #add(candidate) {
    if (this.#added++ >= CANDIDATE_LIMIT) return;
    try {
      await this.#peer?.addCandidate(candidate);
    } catch {
      // One this browser cannot use is no harm: others will do, or the connection fails.
    }
  }
}
