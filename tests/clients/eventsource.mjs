// Follows a log with the library `eventsource`: `node eventsource.mjs URL`. Prints what came, as JSON, at the end.
import { EventSource } from "eventsource";

const [url] = process.argv.slice(2);
const told = { pages: [], opens: 0 };
const stream = new EventSource(url);
const finish = () => process.stdout.write(`${JSON.stringify(told)}\n`, () => process.exit(0));
setInterval(() => {}, 60_000); // between two connections the library lets a program end
stream.onopen = () => told.opens++;
stream.addEventListener("ping", (event) => told.pages.push({ at: event.lastEventId }));
stream.addEventListener("logs", (event) => told.pages.push(JSON.parse(event.data)));
stream.addEventListener("end", finish);
stream.onerror = (event) => stream.readyState === EventSource.CLOSED && (event.code === 204 ? finish() : process.exit(1));
