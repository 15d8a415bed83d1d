// Where the steps of a definition stand: each one layer right of the last it depends on. Pure.

/** What each step depends on, by name, as its definition says it. */
export function dependencies(definition) {
  const found = new Map();
  for (const [name, step] of Object.entries(definition?.step ?? {})) {
    const { depends = [] } = step;
    const names = Array.isArray(depends) ? depends : String(depends).split(",");
    found.set(name, names.map((one) => one.trim()).filter(Boolean));
  }
  return found;
}

/** Layers of names, in the order given, and the edges between them. What is unknown or in a circle is left out. */
export function layers(names, depends) {
  const known = new Set(names);
  const depth = new Map();
  function depthOf(name, above) {
    if (depth.has(name)) return depth.get(name);
    if (above.has(name)) return 0;
    const before = (depends.get(name) ?? []).filter((one) => known.has(one));
    const found = before.length ? 1 + Math.max(...before.map((one) => depthOf(one, new Set([...above, name])))) : 0;
    depth.set(name, found);
    return found;
  }
  const columns = [];
  for (const name of names) (columns[depthOf(name, new Set())] ??= []).push(name);
  const edges = names.flatMap((name) => (depends.get(name) ?? []).filter((one) => known.has(one)).map((one) => [one, name]));
  return { columns, edges };
}
