// Follows a log over the WebSocket with the library `ws`: `node socket.mjs URL JOB CURSOR`. It comes back with the cursor
// of the last message whenever it is cut. Prints what came, as JSON, at the end.
import { WebSocket } from "ws";

const [url, job, first] = process.argv.slice(2);
const told = { pages: [], opens: 0 };
let cursor = first;

function connect() {
  const socket = new WebSocket(url);
  socket.on("error", () => {}); // it closes, too
  socket.on("close", () => setTimeout(connect, 100));
  socket.on("open", () => {
    told.opens++;
    socket.send(JSON.stringify({ type: "subscribe", payload: { id: 1, topic: `logs:${job}`, level: "debug", cursor } }));
  });
  socket.on("message", (text) => {
    const { type, payload } = JSON.parse(text);
    if (payload.id !== 1) return;
    if (type === "logs") told.pages.push(payload);
    if (payload.cursor) cursor = payload.cursor;
    if (type === "end") {
      process.stdout.write(`${JSON.stringify(told)}\n`, () => process.exit(0));
    }
  });
}

connect();
