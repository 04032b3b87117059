// The page's mouth and ear, for the bench: what it says comes from here instead of a microphone, and
// both what it says and what it hears is kept, with the times.

(() => {
  const TAP = `
    registerProcessor("tap", class extends AudioWorkletProcessor {
      #part = new Int16Array(480);
      #filled = 0;
      process([[heard]], [[passed]]) {
        passed.set(heard ?? passed);
        for (const sample of passed) {
          this.#part[this.#filled++] = Math.round(32767 * sample);
          if (this.#filled === this.#part.length) {
            this.port.postMessage([Date.now() / 1000, this.#part]);
            this.#filled = 0;
          }
        }
        return true;
      }
    });`;

  const context = new AudioContext({ sampleRate: 48_000 });
  const module = URL.createObjectURL(new Blob([TAP], { type: "text/javascript" }));
  const ready = context.audioWorklet.addModule(module);
  const kept = { mouth: [], ear: [] };
  const microphone = context.createMediaStreamDestination();
  const silent = new GainNode(context, { gain: 0 });
  silent.connect(context.destination);
  let mouth = null;
  let source = null;

  function tap(name) {
    const node = new AudioWorkletNode(context, "tap");
    node.port.onmessage = ({ data }) => kept[name].push(data);
    return node;
  }

  navigator.mediaDevices.getUserMedia = async () => {
    await ready;
    await context.resume();
    mouth = tap("mouth");
    mouth.connect(microphone);
    return microphone.stream;
  };

  globalThis.bench = {
    /** Says these samples (base64 of signed 16 bit) over and over. */
    say(samples) {
      const bytes = Uint8Array.from(atob(samples), (character) => character.charCodeAt(0));
      const values = Float32Array.from(new Int16Array(bytes.buffer), (value) => value / 32768);
      const buffer = new AudioBuffer({ length: values.length, sampleRate: 48_000 });
      buffer.copyToChannel(values, 0);
      source?.stop();
      source = new AudioBufferSourceNode(context, { buffer, loop: true });
      source.connect(mouth);
      source.start();
    },

    listen() {
      const stream = document.querySelector("#sound").srcObject;
      context.createMediaStreamSource(stream).connect(tap("ear")).connect(silent);
    },

    /** What was kept since the last time: the times, and all samples as base64. */
    take(name) {
      const parts = kept[name].splice(0);
      const samples = new Int16Array(480 * parts.length);
      parts.forEach(([, part], index) => samples.set(part, 480 * index));
      let text = "";
      for (const byte of new Uint8Array(samples.buffer)) text += String.fromCharCode(byte);
      return [parts.map(([at]) => at), btoa(text)];
    },
  };
})();
