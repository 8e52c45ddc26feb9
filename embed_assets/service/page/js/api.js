// The service's public API, as every client has it. A key is kept in this tab's session storage.

const KEY = "embed-assets-key";
let onLocked = () => {};

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const whenLocked = (call) => void (onLocked = call);
const key = () => sessionStorage.getItem(KEY);
export const hasKey = () => Boolean(key());
const headers = () => (key() ? { "X-API-Key": key() } : {});

export async function call(path, { body, signal, method = body ? "POST" : "GET" } = {}) {
  const options = { method, signal, headers: { ...headers() } };
  if (body) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The service does not answer. Is embed-assets serve still running?");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  throw await failure(response);
}

async function failure(response) {
  if (response.status === 401) onLocked();
  const wait = response.headers.get("Retry-After");
  let detail = "";
  try {
    detail = (await response.json()).detail;
  } catch {
    detail = `The service answered ${response.status}.`;
  }
  if (typeof detail !== "string") detail = detail?.[0]?.msg ?? `The service answered ${response.status}.`;
  return new ApiError(response.status, response.status === 503 && wait ? `${detail} Try again in ${wait} s.` : detail);
}

// Keeps a key, and has the service set it as a cookie: a browser sends no header with a picture's address.
export async function unlock(text) {
  sessionStorage.setItem(KEY, text.trim());
  await beginSession();
}

export async function forgetKey() {
  sessionStorage.removeItem(KEY);
  await call("/session", { method: "DELETE" }).catch(() => {});
  location.reload();
}

export async function beginSession() {
  if (!key()) return;
  await call("/session", { method: "POST" });
  try {
    await call("/spaces");
  } catch (error) {
    if (error.status === 401) sessionStorage.removeItem(KEY);
    throw error;
  }
}

export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/uploads");
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new ApiError(0, "The file could not be sent."));
    request.onload = () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // not JSON: the status says it
      }
      if (request.status === 200) return resolve(answer.upload);
      if (request.status === 401) onLocked();
      reject(new ApiError(request.status, answer.detail ?? `The service answered ${request.status}.`));
    };
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}

export const mediaUrl = (id, start, end) => {
  const span = start == null ? "" : `#t=${start / 1000}${end == null ? "" : `,${end / 1000}`}`;
  return `/media/${encodeURIComponent(id)}${span}`;
};

export const thumbnailUrl = (id, side, at) =>
  `/media/${encodeURIComponent(id)}/thumbnail?side=${side}${at ? `&at=${Math.round(at)}` : ""}`;
