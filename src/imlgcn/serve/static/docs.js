// The API's description for people, made from openapi.json.

import { address } from "./api.js";
import { byId, make } from "./dom.js";

const description = await (await fetch(address("/openapi.json"))).json();
byId("curl").textContent =
  `curl --data-binary @photo.jpg -H 'content-type: image/jpeg' ${address("/v1/tags")}`;
const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => section(path, method, operation)),
);
byId("operations").append(...operations);

function section(path, method, operation) {
  const parts = [
    make(
      "h2",
      {},
      make("span", { class: `method ${method}` }, method.toUpperCase()),
      make("span", { class: "path" }, path),
    ),
    make("p", {}, make("strong", {}, `${operation.summary}. `), operation.description ?? ""),
  ];
  if (operation.requestBody) parts.push(make("p", { class: "note" }, operation.requestBody.description));
  if (operation.parameters?.length) {
    const terms = operation.parameters.map(({ name, description: text }) => [name, text ?? ""]);
    parts.push(make("h3", {}, "Parameters"), list(terms));
  }
  const answers = Object.entries(operation.responses).filter(([status]) => status !== "200");
  const example = exampleOf(operation.responses["200"]);
  if (example) parts.push(make("h3", {}, "Response"), make("pre", { tabindex: "0" }, example));
  const errors = answers.filter(([, answer]) => answer.description !== "Validation Error");
  if (errors.length) {
    parts.push(make("h3", {}, "Errors"), list(errors.map(([status, answer]) => [status, answer.description])));
  }
  return make("section", { class: "card-box" }, ...parts);
}

function list(terms) {
  return make("dl", {}, ...terms.flatMap(([term, text]) => [make("dt", {}, term), make("dd", {}, text)]));
}

function exampleOf(answer) {
  const reference = answer?.content?.["application/json"]?.schema?.$ref;
  const schema = reference && description.components.schemas[reference.split("/").at(-1)];
  return schema?.example ? JSON.stringify(schema.example, null, 1) : null;
}
