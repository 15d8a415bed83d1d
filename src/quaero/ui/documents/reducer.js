// The state of the documents page: `(state, message) → state`.

/** Before anything was read. */
export const initial = ({ q = "", tree = "", chosen = null } = {}) => ({
  q, tree, chosen, load: "loading", trouble: null, list: [], cursor: null, reading: false, document: null,
  unread: null, // why the chosen one cannot be read
});

export function reduce(state, message) {
  switch (message.type) {
    case "asked":
      return { ...state, ...message.changes, load: "loading", list: [], cursor: null, trouble: null };
    case "page": {
      if (message.q !== state.q || message.tree !== state.tree) return state;
      const known = new Set(message.first ? [] : state.list.map((one) => one.id));
      const list = [...(message.first ? [] : state.list), ...message.documents.filter((one) => !known.has(one.id))];
      return { ...state, load: "ready", reading: false, list, cursor: message.next_cursor };
    }
    case "reading":
      return { ...state, reading: true };
    case "chosen":
      return { ...state, chosen: message.id, unread: null, document: state.document?.id === message.id ? state.document : null };
    case "document":
      return message.document.id === state.chosen ? { ...state, document: message.document } : state;
    case "unread":
      return message.id === state.chosen ? { ...state, unread: message.trouble } : state;
    case "failed":
      return { ...state, reading: false, load: state.list.length ? "ready" : "failed", trouble: message.trouble };
    default:
      return state;
  }
}
