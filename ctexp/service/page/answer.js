// The service's answer as a person reads it: label, probabilities, operating point, quality, model.

const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`;
const across = (share) => `${100 * share}%`; // as a style has it, without a space

function make(tag, words, attributes = {}) {
  const element = document.createElement(tag);
  if (words !== undefined) element.textContent = words;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function scale(answer) {
  const figure = make("div", undefined, {
    class: "scale",
    role: "img",
    "aria-label": `Abnormal ${percent(answer.abnormal)}; called abnormal from ${percent(answer.threshold, 1)} on`,
  });
  const bar = make("div", undefined, { class: `bar ${answer.label}` });
  const fill = make("div", undefined, { class: "fill" });
  fill.style.width = across(answer.abnormal);
  const mark = make("div", undefined, { class: "mark" });
  mark.style.left = across(answer.threshold);
  bar.append(fill, mark);
  const words = make("div", `called abnormal from ${percent(answer.threshold, 1)}`, { class: "mark-words" });
  // Near an end the words would leave the panel.
  words.style.left = across(Math.min(0.72, Math.max(0.28, answer.threshold)));
  figure.append(bar, words);
  return figure;
}

function table(answer) {
  const list = make("dl", undefined, { class: "numbers" });
  for (const word of ["abnormal", "normal"]) {
    const row = make("div");
    row.append(make("dt", word[0].toUpperCase() + word.slice(1)), make("dd", percent(answer[word])));
    list.append(row);
  }
  return list;
}

function point(answer) {
  const chosen = answer.operating_point;
  const lines = [];
  if (chosen) {
    lines.push(`The threshold was chosen for a sensitivity of ${chosen.wished_sensitivity} on ${chosen.scans} `
      + `${chosen.side} scans.`);
  }
  if (answer.spread !== null) {
    lines.push(`Mean of ${answer.networks} networks, which differ by ${percent(answer.spread)} (standard deviation).`);
  }
  if (answer.forced) lines.push("This is no readable chest CT; it was answered all the same. Believe nothing.");
  return lines.map((line) => make("p", line));
}

function quality(found, notes) {
  const words = { ok: "good", warn: "with doubts", refuse: "no readable chest CT" };
  const part = make("section", undefined, { class: "quality" });
  const title = make("h3", "Quality of the scan ");
  title.append(make("span", words[found.verdict], { class: `badge ${found.verdict}` }));
  part.append(title);
  if (found.findings.length) {
    const list = make("ul");
    list.append(...found.findings.map((one) => make("li", one)));
    part.append(list);
  } else {
    part.append(make("p", "A chest CT in Hounsfield units; nothing odd was noticed.", { class: "quiet" }));
  }
  part.append(...notes.map((one) => make("p", `Read: ${one}.`, { class: "quiet" })));
  return part;
}

export function modelWords(model) {
  return `Model ${model.name}, version ${model.version}`;
}

// Gives the elements to show.
export function render(answer) {
  const parts = [make("p", answer.path, { class: "file quiet" })];
  if (answer.error) {
    parts.push(make("p", "Not answered", { class: "label none" }));
    if (!answer.quality) parts.push(make("p", answer.error));
  } else {
    parts.push(make("p", answer.label, { class: `label ${answer.label}` }), scale(answer), table(answer),
      ...point(answer));
  }
  if (answer.quality) parts.push(quality(answer.quality, answer.notes ?? []));
  const model = make("section", undefined, { class: "model" });
  model.append(make("h3", modelWords(answer.model)));
  if (answer.model.synthetic) {
    model.append(make("p", "Trained on synthetic scans: it says nothing about patients.", { class: "warning" }));
  }
  model.append(make("p", "Research software, not a medical device.", { class: "quiet" }));
  parts.push(model);
  return parts;
}

// Gives the same as one sentence, for a screen reader.
export function speak(answer) {
  if (answer.error) return `Not answered: ${answer.error}`;
  const doubts = answer.quality.findings.length;
  const found = doubts ? `${doubts} finding${doubts > 1 ? "s" : ""} about the quality of the scan` : "quality good";
  return `Answer: ${answer.label}, ${percent(answer.abnormal)} abnormal; ${found}.`;
}
