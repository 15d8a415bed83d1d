// The state of the definitions page: `(state, message) → state`.

/** Before anything was read. `chosen`: an id, or "" for a new definition that is being written. */
export const initial = ({ chosen = null, editing = false, q = "" } = {}) => ({
  q, chosen, editing, load: "loading", trouble: null, list: [], total: 0, detail: null, unread: null, draft: null, validation: null, saving: false, problem: null,
});

export function reduce(state, message) {
  switch (message.type) {
    case "list":
      return { ...state, load: "ready", trouble: null, list: message.definitions, total: message.total_count };
    case "searched":
      return { ...state, q: message.q };
    case "chosen":
      return { ...state, chosen: message.id, editing: !!message.editing, unread: null, detail: state.detail?.id === message.id ? state.detail : null, draft: message.editing ? message.draft ?? null : null, validation: null, problem: null };
    case "detail":
      if (message.detail.id !== state.chosen) return state;
      return { ...state, unread: null, detail: message.detail, draft: state.editing && state.draft === null ? message.detail.toml : state.draft };
    case "unread":
      return message.id === state.chosen && !state.detail ? { ...state, unread: message.trouble } : state;
    case "typed":
      return { ...state, draft: message.text, problem: null };
    case "validated":
      return message.text === state.draft ? { ...state, validation: message.validation } : state;
    case "saving":
      return { ...state, saving: true, problem: null };
    case "saved":
      return { ...state, saving: false, editing: false, chosen: message.detail.id, detail: message.detail, draft: null, validation: null };
    case "refused":
      return { ...state, saving: false, problem: message.trouble };
    case "failed":
      return { ...state, load: state.list.length ? state.load : "failed", trouble: message.trouble };
    default:
      return state;
  }
}

/** A definition to begin with. */
export const TEMPLATE = `id = "my-definition"
name = "My definition"
description = "What it is for"
schedule = ""              # cron, e.g. "0 3 * * *"; empty: by hand
tags = []

[step.first]
type = "generator"         # a kind
worker_count = 20
log_count = 5
`;
