// Put into a page before its own scripts: time and socket are the test's, so that a recorded story can be played to it
// at the very times at which it happened. Promises and messages between ports stay the browser's own.
(() => {
  const STEPS = 8; // turns of the event loop in which everything that a message sets off is done
  const timers = new Map();
  let now = 0;
  let last = 0;
  let socket = null;
  const said = [];
  const problems = [];

  performance.now = () => now;
  performance.getEntriesByType = () => [];
  Math.random = () => 0;
  window.setTimeout = (work, wait = 0, ...rest) => set(work, wait, rest, 0);
  window.setInterval = (work, wait, ...rest) => set(work, wait, rest, wait);
  window.clearTimeout = window.clearInterval = (id) => timers.delete(id);

  function set(work, wait, rest, every) {
    timers.set(++last, {due: now + Math.max(0, +wait || 0), work: () => work(...rest), every});
    return last;
  }

  window.WebSocket = class extends EventTarget {
    static CONNECTING = 0; static OPEN = 1; static CLOSING = 2; static CLOSED = 3;
    constructor(url) {
      super();
      Object.assign(this, {url, readyState: 0});
      socket = this;
    }
    send(text) { said.push([now, JSON.parse(text)]); }
    close() { this.readyState = 3; }
  };

  const turn = () => new Promise((done) => {
    const {port1, port2} = new MessageChannel();
    port1.onmessage = () => { port1.close(); done(); };
    port2.postMessage(null);
  });

  async function settle() {
    for (let step = 0; step < STEPS; step += 1) await turn();
  }

  async function advance(to) {
    for (;;) {
      const [id, next] = [...timers].reduce((a, b) => (b[1].due < a[1].due ? b : a), [0, {due: Infinity}]);
      if (next.due > to) break;
      now = Math.max(now, next.due);
      if (next.every) next.due += next.every;
      else timers.delete(id);
      next.work();
      await turn();
    }
    now = to;
    await settle();
  }

  function happens(kind, value) {
    if (kind === "open") {
      if (socket?.readyState !== 0) problems.push(`${now}: the page has not asked for a connection`);
      socket.readyState = 1;
      socket.dispatchEvent(new Event("open"));
    } else if (kind === "text") {
      socket.dispatchEvent(new MessageEvent("message", {data: value}));
    } else {
      socket.readyState = 3;
      socket.dispatchEvent(new CloseEvent("close", {code: value}));
    }
  }

  const bare = ({name}, left) => !left.attributes.includes(name);

  function tree(element, left) {
    const ticks = element.matches(left.texts);
    return [element.localName, [...element.attributes].filter((one) => bare(one, left)).map(({name, value}) => [name, value]).sort(),
      ticks ? [] : [...element.childNodes].map((node) => (node.nodeType === 1 ? tree(node, left) : node.data))];
  }

  window.stage = {
    /** Plays [[ms since the page was loaded, "open" | "text" | "close", value], …]; then waits till `end`. */
    async play(events, end) {
      for (const [at, kind, value] of events) {
        await advance(at);
        happens(kind, value);
        await settle();
      }
      await advance(end);
      return {said, problems};
    },
    /** What stands in each of the roots; `left`: attributes and elements' texts to leave out. */
    shown: (roots, left) => roots.map((root) => [root, tree(document.querySelector(root), left)]),
  };
})();
