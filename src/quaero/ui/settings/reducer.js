// The state of the settings page: `(state, message) → state`.

export const TABS = ["configuration", "health", "tokens", "audit", "log"];

/** Before anything was read. */
export const initial = (tab) => ({ tab: TABS.includes(tab) ? tab : TABS[0], data: {}, trouble: {} });

export function reduce(state, message) {
  switch (message.type) {
    case "tab":
      return { ...state, tab: message.tab };
    case "read":
      return { ...state, data: { ...state.data, [message.tab]: message.data }, trouble: { ...state.trouble, [message.tab]: null } };
    case "failed":
      return { ...state, trouble: { ...state.trouble, [message.tab]: message.trouble } };
    default:
      return state;
  }
}
