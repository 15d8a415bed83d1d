// The states of the definitions and of the documents page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { initial as noDefinitions, reduce as ofDefinitions } from "../../../src/quaero/ui/definitions/reducer.js";
import { initial as noDocuments, reduce as ofDocuments } from "../../../src/quaero/ui/documents/reducer.js";

const trouble = { status: 404, message: "there is none" };

for (const [name, initial, reduce, arrived] of [
  ["definition", noDefinitions, ofDefinitions, { type: "detail", detail: { id: "8" } }],
  ["document", noDocuments, ofDocuments, { type: "document", document: { id: "8" } }],
]) {
  test(`a ${name} that cannot be read is told, until another is chosen`, () => {
    const missing = reduce(reduce(initial(), { type: "chosen", id: "7" }), { type: "unread", id: "7", trouble });

    assert.equal(missing.unread, trouble);
    assert.equal(reduce(missing, { type: "chosen", id: "8" }).unread, null);
  });

  test(`a ${name} that was left is not told of any more`, () => {
    const next = reduce(reduce(initial(), { type: "chosen", id: "7" }), { type: "chosen", id: "8" });

    assert.equal(reduce(next, { type: "unread", id: "7", trouble }).unread, null);
    assert.equal(reduce(next, arrived).unread, null);
  });
}

test("a definition that is shown stays while the server is away", () => {
  const shown = ofDefinitions(ofDefinitions(noDefinitions(), { type: "chosen", id: "8" }), { type: "detail", detail: { id: "8" } });

  assert.equal(ofDefinitions(shown, { type: "unread", id: "8", trouble: { status: 0 } }), shown);
});
