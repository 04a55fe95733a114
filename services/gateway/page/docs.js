// Shows the OpenAPI document: every call with its parameters, its result, and a way to try it.

import { $, make } from "./dom.js";

const document_ = await (await fetch("/api/v1/openapi.json")).json();
const resolve = (schema) => (schema?.$ref ? document_.components.schemas[schema.$ref.split("/").at(-1)] : schema || {});

function typeOf(schema) {
  const found = resolve(schema);
  if (found.enum) return found.enum.join(" | ");
  if (found.oneOf) return found.oneOf.map(typeOf).join(" or ");
  if (found.format) return `${found.type} (${found.format})`;
  return found.type || "any";
}

// What a value of this schema looks like.
function example(schema, depth = 0) {
  const found = resolve(schema);
  if (found.examples) return found.examples[0];
  if (found.enum) return found.enum[0];
  if (found.oneOf) return example(found.oneOf[0], depth);
  if (found.type === "array") return depth > 4 ? [] : [example(found.items, depth + 1)];
  if (found.type === "object") {
    const pairs = Object.entries(found.properties || {}).map(([name, value]) => [name, example(value, depth + 1)]);
    return Object.fromEntries(pairs);
  }
  return { string: found.format === "decimal" ? "0" : "text", number: 0.0, integer: 0, boolean: true }[found.type] ?? null;
}

function fields(operation) {
  const rows = operation.parameters.map((field) => [field.name, field.in, field.required, field.schema, field.description]);
  const body = operation.requestBody?.content["application/json"].schema;
  for (const [name, schema] of Object.entries(body?.properties || {})) {
    rows.push([name, "body", body.required.includes(name), schema, schema.description]);
  }
  return rows;
}

function fieldTable(rows) {
  if (!rows.length) return make("p", { class: "muted" }, "None.");
  const body = rows.map(([name, place, required, schema, text]) =>
    make("tr", {}, make("td", {}, make("code", {}, name), required ? " *" : ""), make("td", { class: "muted" }, place), make("td", { class: "muted" }, typeOf(schema)), make("td", {}, text || "")),
  );
  return make("table", {}, make("tbody", {}, ...body));
}

function tryOut(path, rows) {
  const output = make("pre", { hidden: true });
  const inputs = rows.map(([name, place, , schema]) => {
    const input = make("input", { placeholder: name, "aria-label": name, value: schema.examples?.[0] ?? "" });
    return { name, place, input };
  });
  const run = async () => {
    let address = path;
    const query = new URLSearchParams();
    for (const { name, place, input } of inputs) {
      if (place === "path") address = address.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(name, input.value);
    }
    const answer = await fetch(query.size ? `${address}?${query}` : address);
    output.hidden = false;
    output.textContent = `${answer.status}\n` + JSON.stringify(await answer.json(), null, 2).slice(0, 6000);
  };
  const button = make("button", { class: "button", type: "button", onclick: run }, "Try it");
  return [make("div", { class: "try" }, ...inputs.map(({ input }) => input), button), output];
}

function call(verb, path, operation) {
  const rows = fields(operation);
  const result = operation.responses["200"].content["application/json"].schema;
  const box = make("div", {},
    make("p", { class: "muted" }, operation.description || "Needs no key while market data is open."),
    make("h3", {}, "Parameters"), fieldTable(rows),
    make("h3", {}, "Result"), make("pre", {}, JSON.stringify(example(result), null, 2)),
  );
  if (verb === "get" && !operation.security) box.append(make("h3", {}, "Try it"), ...tryOut(path, rows));
  const head = make("summary", {}, make("span", { class: "verb " + verb }, verb.toUpperCase()), make("span", { class: "path" }, path), make("span", {}, operation.summary));
  const node = make("details", { class: "call" }, head, box);
  node.id = operation.operationId;
  return node;
}

const groups = new Map();
for (const [path, operations] of Object.entries(document_.paths)) {
  for (const [verb, operation] of Object.entries(operations)) {
    const group = operation.tags[0];
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push([verb, path, operation]);
  }
}
$("calls").replaceChildren(
  make("h1", {}, "HTTP API"),
  make("p", { class: "muted" }, document_.info.description),
  make("p", { class: "muted" }, "Calls that need a key take the header ", make("code", {}, "Authorization: Bearer <key_id>.<secret>"), "."),
);
for (const [group, calls] of groups) {
  $("contents").append(make("h2", {}, group));
  for (const [verb, path, operation] of calls) {
    const short = path.replace("/api/v1", "");
    $("contents").append(make("a", { href: "#" + operation.operationId, onclick: () => { $(operation.operationId).open = true; } }, make("span", { class: "verb " + verb }, verb.toUpperCase()), short));
    $("calls").append(call(verb, path, operation));
  }
}
