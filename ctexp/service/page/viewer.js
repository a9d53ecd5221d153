// Slices of a scan on a canvas: a window in HU, and a heat map over them. Knows nothing of answers.

const byId = (id) => document.getElementById(id);
const STOPS = [[0, 87, 16, 110], [0.35, 188, 55, 84], [0.7, 249, 142, 9], [1, 252, 255, 164]];
const COLOURS = Uint8Array.from({ length: 256 * 3 }, (_, at) => colour(Math.floor(at / 3) / 255)[at % 3]);
const WHEEL_STEP = 40; // of a wheel's delta a slice; a notch of a common mouse is 100 to 120
const DRAG_STEP = 6; // CSS pixels a slice

function colour(share) {
  const upper = Math.max(1, STOPS.findIndex(([at]) => share <= at));
  const [from, ...low] = STOPS[upper - 1];
  const [to, ...high] = STOPS[upper];
  const part = (share - from) / (to - from);
  return low.map((value, band) => Math.round(value + part * (high[band] - value)));
}

export class Viewer {
  constructor() {
    this.canvas = byId("slice");
    this.number = byId("number");
    this.picture = null;
    this.wheel = 0;
    this.drawing = 0;
    this.number.addEventListener("input", () => this.draw());
    byId("preset").addEventListener("change", () => this.choosePreset());
    for (const id of ["level", "width"]) byId(id).addEventListener("input", () => this.setOwnWindow());
    for (const id of ["heat", "opacity"]) byId(id).addEventListener("input", () => this.draw());
    byId("frame").addEventListener("wheel", (event) => this.turn(event), { passive: false });
    document.addEventListener("keydown", (event) => this.press(event));
    this.listenToDrags();
    this.choosePreset();
  }

  // facts: as the service gives them; hu: Int16Array; heat: Uint8Array or null; both (slices, rows, columns).
  show(facts, hu, heat) {
    this.picture = { ...facts, hu, heat };
    this.canvas.width = facts.columns;
    this.canvas.height = facts.rows;
    const [high, wide] = [facts.rows * facts.pixel_mm[0], facts.columns * facts.pixel_mm[1]];
    this.canvas.style.aspectRatio = `${wide} / ${high}`;
    this.image = new ImageData(facts.columns, facts.rows);
    this.number.max = facts.slices - 1;
    this.number.value = heat ? this.hottest() : Math.floor(facts.slices / 2);
    for (const part of document.querySelectorAll(".heat")) part.hidden = !heat;
    byId("thinned").textContent = facts.every > 1 ? ` One slice in ${facts.every} of ${facts.of} is shown.` : "";
    byId("viewer").hidden = false;
    this.draw();
  }

  hide() {
    this.picture = null;
    byId("viewer").hidden = true;
  }

  hottest() {
    const { slices, rows, columns, heat } = this.picture;
    const sums = Array.from({ length: slices }, (_, slice) => {
      let sum = 0;
      for (let at = slice * rows * columns; at < (slice + 1) * rows * columns; at += 1) sum += heat[at] ** 2;
      return sum;
    });
    return sums.indexOf(Math.max(...sums));
  }

  choosePreset() {
    const chosen = byId("preset").value;
    if (chosen) [byId("level").value, byId("width").value] = chosen.split(",");
    this.draw();
  }

  setOwnWindow() {
    const { level, width } = this.window();
    const same = [...byId("preset").options].find((option) => option.value === `${level},${width}`);
    byId("preset").value = same ? same.value : "";
    this.draw();
  }

  window() {
    const level = Number(byId("level").value);
    return { level, width: Math.max(1, Number(byId("width").value)) };
  }

  move(by) {
    this.number.value = Number(this.number.value) + by;
    this.draw();
  }

  turn(event) {
    if (!this.picture || event.ctrlKey) return; // with Ctrl a wheel zooms the page
    event.preventDefault();
    this.wheel -= event.deltaMode === 1 ? event.deltaY * WHEEL_STEP : event.deltaY;
    const slices = Math.trunc(this.wheel / WHEEL_STEP);
    this.wheel -= slices * WHEEL_STEP;
    if (slices) this.move(Math.sign(slices) * Math.min(3, Math.abs(slices)));
  }

  press(event) {
    if (!this.picture || event.ctrlKey || event.altKey || event.metaKey) return;
    const own = event.target === this.number;
    if (!own && event.target.closest("input, select, textarea")) return; // they have uses of their own for these keys
    const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10,
      Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.move(Math.max(-this.picture.slices, Math.min(this.picture.slices, step)));
  }

  listenToDrags() {
    let from = null;
    const frame = byId("frame");
    frame.addEventListener("pointerdown", (event) => {
      from = { y: event.clientY, number: Number(this.number.value) };
      frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      if (!from || !this.picture) return;
      this.number.value = from.number - Math.round((event.clientY - from.y) / DRAG_STEP);
      this.draw();
    });
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => { from = null; });
  }

  // Draws at most once a frame of the screen, however fast the wheel turns.
  draw() {
    if (!this.picture || this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      if (this.picture) this.paint();
    });
  }

  paint() {
    const { slices, rows, columns, hu, heat, of, every } = this.picture;
    const slice = Number(this.number.value);
    const { level, width } = this.window();
    const [low, scale] = [level - width / 2, 255 / width];
    const strength = heat && byId("heat").checked ? Number(byId("opacity").value) / 100 / 255 : 0;
    const pixels = this.image.data;
    const first = slice * rows * columns;
    for (let at = 0; at < rows * columns; at += 1) {
      const grey = Math.max(0, Math.min(255, (hu[first + at] - low) * scale));
      const hot = strength ? heat[first + at] : 0;
      const share = strength * hot;
      pixels[4 * at] = grey + share * (COLOURS[3 * hot] - grey);
      pixels[4 * at + 1] = grey + share * (COLOURS[3 * hot + 1] - grey);
      pixels[4 * at + 2] = grey + share * (COLOURS[3 * hot + 2] - grey);
      pixels[4 * at + 3] = 255;
    }
    this.canvas.getContext("2d").putImageData(this.image, 0, 0);
    const words = `Slice ${slice * every + 1} of ${of}`;
    const preset = byId("preset").selectedOptions[0].textContent;
    byId("place").textContent = words;
    byId("window-words").textContent = `${preset}  L ${level}  W ${width}`;
    byId("legend").hidden = !strength;
    this.number.setAttribute("aria-valuetext", words);
    const over = strength ? ", heat map over it" : "";
    this.canvas.setAttribute("aria-label", `${words}, counted from the feet; window ${preset.toLowerCase()}${over}`);
    this.canvas.dataset.slices = slices;
  }
}
