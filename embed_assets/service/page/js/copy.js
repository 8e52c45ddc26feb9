// A query as commands: curl and Python.

import { hasKey } from "./api.js";
import { queryBody } from "./query.js";

export function asCurl(state) {
  const body = JSON.stringify(queryBody(state)).replaceAll("'", "'\\''");
  const key = hasKey() ? ` \\\n  -H "X-API-Key: $KEY"` : "";
  return `curl -s ${location.origin}/search${key} \\\n  -H 'Content-Type: application/json' \\\n  -d '${body}'`;
}

export function asPython(state) {
  const lines = [
    "import requests",
    "",
    "answer = requests.post(",
    `    "${location.origin}/search",`,
    `    json=${literal(queryBody(state))},`,
    ...(hasKey() ? ['    headers={"X-API-Key": KEY},'] : []),
    ")",
    "answer.raise_for_status()",
    'for hit in answer.json()["hits"]:',
    '    print(hit["rank"], hit["score"], hit["source"], hit["key"])',
  ];
  return `${lines.join("\n")}\n`;
}

function literal(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value)
      .map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value);
}

// Browsers give the clipboard to pages of https and of this machine alone; others get the older way.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "hidden-text";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
