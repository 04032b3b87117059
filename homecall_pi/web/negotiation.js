// The messages of a call, in order, and the one peer they belong to. The newest offer wins.

// More early candidates than this belong to no call of ours.
const EARLY_LIMIT = 64;

export class Negotiation {
  #makePeer;
  #send;
  #handlers;
  #peer = null;
  #newestOffer = 0;
  #early = [];
  #tail = Promise.resolve();

  /**
   * `makePeer(handlers)` gives an unused Peer; `send(type, fields)` reaches the other side.
   * `handlers`: onOffer(from), onUnstable(), onStable(), onEnded(reason), onBadOffer().
   */
  constructor({ makePeer, send, handlers }) {
    this.#makePeer = makePeer;
    this.#send = send;
    this.#handlers = handlers;
  }

  get peer() {
    return this.#peer;
  }

  /** Takes an offer or a candidate from the line. An answer is not for us: we never offer. */
  hear(message) {
    if (message.type === "offer" && typeof message.sdp === "string") {
      const number = ++this.#newestOffer;
      this.#queue(() => this.#offered(message, number));
    } else if (message.type === "candidate" && message.candidate?.candidate) {
      this.#queue(() => this.#candidate(message.candidate));
    }
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
    this.#tail = this.#tail.then(task);
  }

  async #offered({ sdp, from }, number) {
    // A queue delivered two at once: only the newest door is still standing there.
    if (number !== this.#newestOffer || this.#peer?.hasOffer(sdp)) return;
    const before = this.#peer;
    try {
      if (before?.continues(sdp)) await this.#renegotiate(sdp);
      else await this.#begin(sdp, String(from ?? ""), number);
    } catch {
      // An offer that failed because its call has ended meanwhile is nobody's concern.
      if (this.#peer === before) this.#handlers.onBadOffer();
    }
  }

  async #renegotiate(sdp) {
    const peer = this.#peer;
    this.#send("answer", { sdp: await peer.accept(sdp) });
    await peer.settle();
  }

  async #begin(sdp, from, number) {
    const peer = this.#newPeer();
    try {
      const answer = await peer.accept(sdp);
      if (number !== this.#newestOffer) return peer.close();
      this.#send("answer", { sdp: answer });
    } catch (error) {
      peer.close();
      throw error;
    }
    this.#peer?.close();
    this.#peer = peer;
    const settled = peer.settle();
    this.#handlers.onOffer(from);
    await settled;
    await this.#addEarly(peer);
  }

  #newPeer() {
    const mine = (handler) => (detail) => peer === this.#peer && handler(detail);
    const peer = this.#makePeer({
      onCandidate: (candidate) => this.#send("candidate", { candidate }),
      onUnstable: mine(this.#handlers.onUnstable),
      onStable: mine(this.#handlers.onStable),
      onEnded: mine(this.#handlers.onEnded),
    });
    return peer;
  }

  async #candidate(candidate) {
    if (this.#peer?.owns(candidate)) await add(this.#peer, candidate);
    else this.#early = [...this.#early, candidate].slice(-EARLY_LIMIT);
  }

  async #addEarly(peer) {
    const early = this.#early.filter((candidate) => peer.owns(candidate));
    this.#early = [];
    for (const candidate of early) await add(peer, candidate);
  }
}

async function add(peer, candidate) {
  try {
    await peer.addCandidate(candidate);
  } catch {
    // A candidate this browser cannot use is no harm: others will do, or the connection fails.
  }
}
