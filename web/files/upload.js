import { bearer, refusal, RequestError } from "../requests.js";

/**
 * Send a recording; `onShare` hears how much of it is sent, 0 to 1. Raises RequestError, and
 * AbortError after `signal`. (`fetch` cannot tell how far it is.)
 */
export function upload(address, file, { token, signal, onShare }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    for (const [name, value] of Object.entries(bearer(token))) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = ({ loaded, total }) => onShare(total ? loaded / total : 0);
    request.onload = () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else reject(new RequestError(refusal(request.status, request.responseText)));
    };
    request.onerror = () =>
      reject(new RequestError("The connection broke off. Is the server there? Send it again."));
    request.onabort = () => reject(new DOMException("given up", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
