// Somebody in the middle: takes calls that were not meant for it, and counts what it gets.

window.middleman = {
  connections: [],

  async answer(sdp) {
    const connection = new RTCPeerConnection();
    this.connections.push(connection);
    await connection.setRemoteDescription({ type: "offer", sdp });
    return this.describe(connection, await connection.createAnswer());
  },

  async offer() {
    const connection = new RTCPeerConnection();
    this.connections.push(connection);
    const direction = "sendrecv";
    connection.addTransceiver("audio", { direction });
    connection.addTransceiver("video", { direction });
    connection.createDataChannel("homecall", { negotiated: true, id: 0 });
    return this.describe(connection, await connection.createOffer());
  },


  /** The description with all its addresses. */
  async describe(connection, description) {
    await connection.setLocalDescription(description);
    while (connection.iceGatheringState !== "complete") {
      await new Promise((done) =>
        connection.addEventListener("icegatheringstatechange", done, { once: true }),
      );
    }
    return connection.localDescription.sdp.replace(/^m=/m, "a=x-homecall:1\r\nm=");
  },

  async packets() {
    let packets = 0;
    for (const connection of this.connections) {
      for (const report of (await connection.getStats()).values()) {
        if (report.type === "inbound-rtp") packets += report.packetsReceived;
      }
    }
    return packets;
  },
};
