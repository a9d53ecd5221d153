// A scan from the user to the service and its answer back; everything stays on this page and goes with it.

import { modelWords, render, speak } from "./answer.js";
import { Viewer } from "./viewer.js";

const byId = (id) => document.getElementById(id);
const viewer = new Viewer();
let facts = { upload_bytes: Infinity, token: false };
let running = null;
let waiting = null; // a scan that was chosen before the token was right

async function start() {
  try {
    const response = await fetch("healthz");
    facts = await response.json();
    byId("model").textContent = modelWords(facts.model);
    byId("token-row").hidden = !facts.token;
  } catch {
    fail("The service does not answer; start it again and reload this page.");
  }
}

function fail(words) {
  byId("error").textContent = words;
  byId("drop").hidden = false;
}

function showBusy(words, share = null) {
  const bar = byId("progress");
  byId("busy-text").textContent = words;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

function rest() {
  running = null;
  byId("busy").hidden = true;
  byId("choose").hidden = false;
}

function begin(file) {
  running?.abort();
  viewer.hide();
  byId("answer").hidden = true;
  byId("again").hidden = true;
  byId("empty").hidden = false;
  byId("error").textContent = "";
  byId("drop").hidden = false;
  byId("choose").hidden = true;
  byId("busy").hidden = false;
  showBusy(`Sending ${file.name}`, 0);
  byId("status").textContent = `Sending ${file.name}`;
  byId("cancel").focus();
}

function ask(file) {
  byId("file").value = ""; // the same file can be chosen again
  waiting = null;
  if (file.size > facts.upload_bytes) {
    fail(`${file.name}: must be at most ${Math.floor(facts.upload_bytes / 2 ** 20)} MiB.`);
    return;
  }
  if (facts.token && !byId("token").value) {
    fail("This service needs its token first.");
    wait(file);
    return;
  }
  begin(file);
  const query = new URLSearchParams({ name: file.name.slice(-200), explain: "contrast" });
  const request = new XMLHttpRequest(); // fetch does not tell how much was sent
  running = request;
  request.open("POST", `picture?${query}`);
  request.responseType = "arraybuffer";
  request.setRequestHeader("Content-Type", "application/octet-stream");
  if (byId("token").value) request.setRequestHeader("Authorization", `Bearer ${byId("token").value}`);
  request.upload.onprogress = (event) => showBusy(`Sending ${file.name}`, event.loaded / event.total);
  request.upload.onload = () => showBusy("Reading and answering");
  request.onload = () => { rest(); take(request, file); };
  request.onerror = () => { rest(); fail("The connection to the service broke; try again."); byId("file").focus(); };
  request.onabort = () => { if (running === request) rest(); };
  request.send(file);
}

function wait(file) {
  waiting = file;
  byId("token").focus(); // not every browser does so when it selects
  byId("token").select();
}

function take(request, file) {
  const bundle = (request.getResponseHeader("Content-Type") ?? "").startsWith("application/vnd.ctexp");
  const body = request.response;
  if (bundle) {
    const length = new DataView(body).getUint32(0, true);
    const { answer, picture } = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 4, length)));
    const voxels = picture.slices * picture.rows * picture.columns;
    const hu = new Int16Array(body, 4 + length, voxels);
    const heat = picture.heat ? new Uint8Array(body, 4 + length + 2 * voxels, voxels) : null;
    byId("drop").hidden = true;
    viewer.show(picture, hu, heat);
    tell(answer);
    return;
  }
  let words = `The service answered with status ${request.status}.`;
  try {
    words = JSON.parse(new TextDecoder().decode(body)).error;
  } catch {
    // it was no answer of ours, a proxy's perhaps
  }
  fail(words);
  if (request.status === 401) wait(file);
  else byId("file").focus();
}

function tell(answer) {
  byId("empty").hidden = true;
  byId("answer").replaceChildren(...render(answer));
  byId("answer").hidden = false;
  byId("again").hidden = false;
  byId("model").textContent = modelWords(answer.model);
  byId("answer-title").focus();
  byId("status").textContent = speak(answer);
}

function takeDropped(transfer) {
  const folder = [...transfer.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
  if (folder || transfer.files.length > 1) {
    fail("One file is one scan; zip the folder of a DICOM series first.");
  } else if (transfer.files.length === 1) {
    ask(transfer.files[0]);
  }
}

byId("file").addEventListener("change", (event) => {
  if (event.target.files.length) ask(event.target.files[0]);
});
byId("again").addEventListener("click", () => byId("file").click());
byId("cancel").addEventListener("click", () => {
  running?.abort();
  byId("status").textContent = "Cancelled";
  byId("file").focus();
});
byId("token-row").addEventListener("submit", (event) => {
  event.preventDefault();
  if (waiting) ask(waiting);
  else byId("file").focus();
});
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault(); // or the browser would leave this page for the file
    document.body.classList.toggle("dragged", name === "dragenter" || name === "dragover");
    if (name === "drop") takeDropped(event.dataTransfer);
  });
}
start();
