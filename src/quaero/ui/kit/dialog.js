// Dialogs: the browser's own, so that focus, Escape and the layer above everything are its work.

import { h } from "./dom.js";

/** Show a dialog until it is closed; resolves to the value of the button that closed it, "" for Escape. */
export function openDialog({ title, body, buttons, wide = false, onOpen }) {
  const heading = h("h2", { id: `dialog-${++opened}`, text: title });
  const dialog = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": heading.id },
    h("form", { method: "dialog" }, heading, h("div", { class: "dialog-body" }, body), h("menu", null, buttons)));
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close("");
    });
    dialog.showModal();
    onOpen?.(dialog);
  });
}

let opened = 0;

/** A button of a dialog that closes it with a value. Enter in a field presses the first that has one, never one that only closes. */
export const choice = (value, text, props) =>
  h("button", value ? { value, text, ...props } : { type: "button", text, on: { click: ({ target }) => target.closest("dialog").close("") }, ...props });

/** Ask before something is done. True if it is to be done. */
export async function confirmAction({ title, body, action, danger = false }) {
  const buttons = [choice("", "Keep as it is", { class: "quiet" }), choice("do", action, { class: danger ? "danger" : "primary", autofocus: true })];
  return (await openDialog({ title, body, buttons })) === "do";
}
