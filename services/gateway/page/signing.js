// Signing in with an Ed25519 private key. It is read into the browser's own keeping, from where it
// signs and cannot be had again, and is gone with the page.

const PEM = /-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----/;
const RAW = /^[0-9a-f]{64}$/i;
const HEAD = "302e020100300506032b657004220420"; // PKCS #8 of Ed25519, before the key's 32 bytes
const WRONG = "This is no Ed25519 private key in PKCS #8.";

const ofHex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
const toHex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function ofBase64(text) {
  try {
    return Uint8Array.from(atob(text.replace(/\s/g, "")), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Error(WRONG);
  }
}

// The PKCS #8 in what was pasted or in a file: PEM, its base64 alone, DER, or the 32 bytes in hex.
function pkcs8(bytes) {
  if (bytes[0] === 0x30) {
    const isText = bytes.every((byte) => byte < 0x80 && (byte >= 0x20 || byte === 0x0a || byte === 0x0d));
    if (!isText) return bytes;
  }
  const text = new TextDecoder().decode(bytes).trim();
  if (RAW.test(text)) return ofHex(HEAD + text);
  const found = PEM.exec(text);
  if (!found && text.startsWith("-----")) throw new Error(WRONG);
  const [, kind, body] = found || [null, "PRIVATE KEY", text];
  if (kind === "ENCRYPTED PRIVATE KEY") throw new Error("This key is encrypted: openssl pkcs8 decrypts it.");
  if (kind !== "PRIVATE KEY") throw new Error(`${WRONG} It says ${kind}.`);
  return ofBase64(body);
}

// What signs with the private key in these bytes: an async function from a text to hex.
export async function signer(bytes) {
  if (!globalThis.crypto?.subtle) throw new Error("This browser signs on https or on this machine only.");
  if (!bytes.length) throw new Error("Paste the private key, or choose its file.");
  let key;
  try {
    key = await crypto.subtle.importKey("pkcs8", pkcs8(bytes), { name: "Ed25519" }, false, ["sign"]);
  } catch (problem) {
    if (problem.name === "NotSupportedError") throw new Error("This browser does not know Ed25519.");
    throw problem instanceof DOMException ? new Error(WRONG) : problem;
  }
  return async (text) => toHex(await crypto.subtle.sign({ name: "Ed25519" }, key, new TextEncoder().encode(text)));
}
