// The door's side of a call for the tests: offers like the device does, from a real browser.

// The places in front of tags without a name: that of a media section, and those in the group.
const TAGS = /((?:^a=mid:|(?<=^a=group:BUNDLE.*) ))(?=\d\b)/gm;

window.visitors = [];

window.visitor = {
  /**
   * Makes a connection and returns its offer's text, all candidates in it. The tags of its media
   * sections begin with `call`.
   */
  async offer({ control, call }) {
    const pc = new RTCPeerConnection();
    const door = { pc, call, heard: [], loudspeaker: new Audio() };
    visitors.push(door);
    pc.ontrack = ({ track }) => {
      door.loudspeaker.srcObject = new MediaStream([track]);
      door.loudspeaker.play();
    };
    const streams = [new MediaStream()];
    pc.addTransceiver(voice, { direction: "sendrecv", streams });
    pc.addTransceiver(picture, { direction: "sendonly", streams });
    if (control) {
      door.channel = pc.createDataChannel("homecall", { negotiated: true, id: 0 });
      door.channel.onmessage = ({ data }) => {
        door.heard.push(JSON.parse(data).type);
        if (["declined", "hung-up"].includes(door.heard.at(-1))) door.channel.close();
      };
    }
    return this.describe(door, control);
  },

  /** Another offer of the newest connection. */
  async again({ control }) {
    return this.describe(visitors.at(-1), control);
  },

  async describe(door, control) {
    const { pc, call } = door;
    const { sdp: own } = await pc.createOffer();
    await pc.setLocalDescription({ type: "offer", sdp: own.replace(TAGS, `$1${call}`) });
    while (pc.iceGatheringState !== "complete") {
      await new Promise((done) => pc.addEventListener("icegatheringstatechange", done, { once: true }));
    }
    const { sdp } = pc.localDescription;
    return control ? sdp.replace(/^m=/m, "a=x-homecall:1\r\nm=") : sdp;
  },

  async accept(sdp) {
    await visitors.at(-1).pc.setRemoteDescription({ type: "answer", sdp });
  },

  /** Whether picture and sound are sent. */
  async sends(on) {
    const tracks = on ? [voice, picture] : [null, null];
    const senders = visitors.at(-1).pc.getSenders();
    await Promise.all(senders.map((sender, index) => sender.replaceTrack(tracks[index])));
  },

  tell(message) {
    visitors.at(-1).channel.send(JSON.stringify(message));
  },

  /** How loud the family's voice has been in total. */
  async heardEnergy() {
    for (const report of (await visitors.at(-1).pc.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === "audio") return report.totalAudioEnergy;
    }
    return 0;
  },
};

const voice = (() => {
  const context = new AudioContext();
  const exit = context.createMediaStreamDestination();
  const oscillator = new OscillatorNode(context, { frequency: 440 });
  oscillator.connect(exit);
  oscillator.start();
  return exit.stream.getAudioTracks()[0];
})();

const picture = (() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
  const brush = canvas.getContext("2d");
  setInterval(() => {
    brush.fillStyle = "teal";
    brush.fillRect(0, 0, 320, 180);
    brush.fillStyle = "white";
    brush.fillRect((performance.now() / 10) % 300, 80, 20, 20);
  }, 66);
  return canvas.captureStream(15).getVideoTracks()[0];
})();
