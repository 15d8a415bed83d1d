// Small line icons, drawn here.

import { svg } from "./dom.js";

const PATHS = {
  queue: "M3 5h14M3 10h14M3 15h9",
  definitions: "M6 3h8l3 3v11H3V3h3M7 9h6M7 13h4",
  documents: "M5 3h7l4 4v10H5zM12 3v4h4M8 11h5M8 14h3",
  settings: "M4 6h7M15 6h1M4 14h1M9 14h7M13 4v4M7 12v4",
  theme: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  help: "M7.5 7.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M10 14.6v.1",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM13 13l4 4",
  play: "M6 4l10 6-10 6z",
  close: "M5 5l10 10M15 5L5 15",
  more: "M4 10h.1M10 10h.1M16 10h.1",
  down: "M5 8l5 5 5-5",
  next: "M8 5l5 5-5 5",
  retry: "M16 5v4h-4M16 9a6.5 6.5 0 1 0 .3 4",
  rerun: "M5 4v12l10-6zM17 4v12",
  trash: "M4 6h12M8 6V4h4v2M6 6l1 11h6l1-11",
  stop: "M5 5h10v10H5z",
  download: "M10 3v9M6 9l4 4 4-4M4 17h12",
  link: "M8 12l4-4M7 9l-2 2a3 3 0 0 0 4 4l2-2M13 11l2-2a3 3 0 0 0-4-4L9 7",
  plus: "M10 4v12M4 10h12",
  workers: "M3 5h14v4H3zM3 11h14v4H3zM6 7h.1M6 13h.1",
  copy: "M7 7h9v10H7zM13 7V3H4v10h3",
};

/** An icon; decoration, named by what it stands in. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
}
