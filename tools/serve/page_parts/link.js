// The connection: opens it, opens it again, decodes pictures, counts. Times are in milliseconds.
const SLOW_MS = 2500;       // without an answer to a motion
const AGAIN_MS = [500, 1000, 2000, 4000];
const SHOWN_MS = 1000;      // frames a second are counted over so long
const N_LATENCIES = 60;

// on: hello(what), role(what), frame(head, bitmap, blob), note(text), state(name, text)
function connect(on) {
  const sent = new Map(), arrivals = [], latencies = [];
  let socket = null, tries = 0, seq = 0, shown = 0, asked = 0, order = Promise.resolve(), n_bytes = 0;

  function say(what) {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(what));
  }

  function pose(values) {
    const now = performance.now();
    sent.set(++seq, now);
    asked = asked || now;
    say({do: "pose", seq, pose: values});
  }

  function told(what) {
    if (what.tell === "hello") { seq = shown = asked = 0; sent.clear(); on.hello(what); }
    else if (what.tell === "role") { tries = 0; asked = 0; on.role(what); on.state("live", ""); }
    else if (what.tell === "note") on.note(what.text);
  }

  function pictured(data, from) {
    const length = new DataView(data).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const blob = new Blob([new Uint8Array(data, 4 + length)], {type: head.jpeg ? "image/jpeg" : "image/png"});
    head.bytes = n_bytes = blob.size;
    order = order.then(() => createImageBitmap(blob)).then((bitmap) => {
      const now = performance.now();
      if (from !== socket) return;
      arrivals.push(now);
      if (arrivals.length > 300) arrivals.shift();
      if (head.seq > shown) {
        if (sent.has(head.seq)) latencies.push(now - sent.get(head.seq));
        if (latencies.length > N_LATENCIES) latencies.shift();
        for (const old of sent.keys()) if (old <= head.seq) sent.delete(old);
        shown = head.seq;
      }
      asked = sent.size ? sent.values().next().value : 0;
      on.frame(head, bitmap, blob);
      say({do: "got", n: head.n});
    }).catch((error) => on.note(`A picture cannot be shown: ${error}`));
  }

  function open() {
    on.state(tries ? "lost" : "opening", tries ? "Connecting again" : "Connecting");
    const url = new URL("socket" + location.search, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const mine = socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (e) => typeof e.data === "string" ? told(JSON.parse(e.data)) : pictured(e.data, mine);
    socket.onclose = closed;
  }

  async function closed(event) {
    socket = null;
    if (event.code === 1008) return on.state("ended", "This page is of another version: reload it. " + event.reason);
    if (event.code === 1013) on.state("lost", "No seat is free: " + event.reason);
    else on.state("lost", "The connection is lost. Trying again…");
    const wait = AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)];
    await new Promise((done) => setTimeout(done, wait));
    try {
      const answer = await fetch(location.href, {cache: "no-store"});
      if (answer.status === 401) return on.state("ended", "The server has a new token: open the URL that it printed.");
    } catch { /* nobody answers: the next try tells */ }
    open();
  }

  setInterval(() => {  // a cable that is pulled says nothing
    if (socket && socket.readyState === WebSocket.OPEN && tries === 0 && seq)
      on.state(asked && performance.now() - asked > SLOW_MS ? "slow" : "live", "");
  }, 500);

  function figures() {
    const since = performance.now() - SHOWN_MS;
    while (arrivals.length && arrivals[0] < since) arrivals.shift();
    const sorted = [...latencies].sort((a, b) => a - b);
    return {fps: arrivals.length * 1000 / SHOWN_MS, latency_ms: sorted[sorted.length >> 1] ?? null, bytes: n_bytes};
  }

  open();
  return {say, pose, figures, drop: () => socket && socket.close()};
}
