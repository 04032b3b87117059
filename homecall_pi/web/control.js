// The control channel of a call: who answered, who ended it and why. The other side of the call
// would otherwise have to guess this from the media connection.

// What was said last must get out before the connection goes; the other side closes the channel
// as soon as it has heard it.
const HEARD_LIMIT_MS = 1_500;
const OPEN_LIMIT_MS = 3_000;

export class Control {
  #channel;
  #unsent = [];
  #opened;
  #closed;

  /**
   * `handlers`: onEnded(reason) when the other side ends the call; onLost() when that breaks;
   * onDoor(release) when the door tells what its release does.
   */
  constructor(connection, { onEnded, onLost, onDoor }) {
    this.#channel = connection.createDataChannel("homecall", { negotiated: true, id: 0 });
    this.#opened = happening(this.#channel, "open");
    this.#closed = happening(this.#channel, "close");
    this.#channel.addEventListener("open", () => this.#flush());
    this.#channel.addEventListener("close", onLost, { once: true });
    this.#channel.addEventListener("message", ({ data }) => {
      const message = parse(data);
      if (message?.type === "ended") onEnded(String(message.reason));
      else if (message?.type === "door") onDoor(String(message.release));
    });
  }

  /** Says one word now, or as soon as the channel is open. */
  say(word) {
    this.#unsent.push(JSON.stringify({ type: word }));
    if (this.#channel.readyState === "open") this.#flush();
  }

  /** Says the last word and waits, not for long, until it has surely been heard. */
  async farewell(word) {
    this.say(word);
    await before(OPEN_LIMIT_MS, this.#opened, this.#closed);
    await before(HEARD_LIMIT_MS, this.#closed);
  }

  #flush() {
    for (const text of this.#unsent.splice(0)) this.#channel.send(text);
  }
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

function happening(target, event) {
  return new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));
}

function before(limitMs, ...events) {
  const limit = new Promise((resolve) => setTimeout(resolve, limitMs));
  return Promise.race([limit, ...events]);
}
