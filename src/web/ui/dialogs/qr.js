// QR codes (ISO/IEC 18004) of links: bytes, error correction of level M, versions 1 to 10, which is up to 213 bytes.

const CHECKS = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26]; // codewords of error correction in a block, by version
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5];
const LEVEL = 0; // M, as the format information has it

/** Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1. */
function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) product = (product << 1) ^ ((product >>> 7) * 0x11d) ^ (((b >>> bit) & 1) * a);
  return product;
}

/** The remainder of Reed and Solomon: `count` codewords that check `data`. */
function checksOf(data, count) {
  const divisor = new Array(count).fill(0);
  divisor[count - 1] = 1;
  for (let i = 0, root = 1; i < count; i++, root = times(root, 2)) {
    for (let j = 0; j < count; j++) divisor[j] = times(divisor[j], root) ^ (divisor[j + 1] ?? 0);
  }
  const rest = new Array(count).fill(0);
  for (const byte of data) {
    const factor = byte ^ rest.shift();
    rest.push(0);
    divisor.forEach((coefficient, i) => { rest[i] ^= times(coefficient, factor); });
  }
  return rest;
}

const alignmentsOf = (version) => (version === 1 ? 0 : Math.floor(version / 7) + 2);
const sizeOf = (version) => version * 4 + 17;

/** All codewords that fit. */
function capacityOf(version) {
  const count = alignmentsOf(version), patterns = version === 1 ? 0 : (25 * count - 10) * count - 55;
  return Math.floor(((16 * version + 128) * version + 64 - patterns - (version >= 7 ? 36 : 0)) / 8);
}

const dataRoomOf = (version) => capacityOf(version) - CHECKS[version - 1] * BLOCKS[version - 1];

/** The codewords in the order in which they are drawn: blocks interleaved, data first. */
function codewordsOf(bytes, version) {
  const bits = [], put = (value, length) => { for (let i = length - 1; i >= 0; i--) bits.push((value >>> i) & 1); };
  const room = dataRoomOf(version);
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  put(0, Math.min(4, room * 8 - bits.length));
  put(0, -bits.length & 7);
  const data = [];
  for (let i = 0; i < bits.length; i += 8) data.push(parseInt(bits.slice(i, i + 8).join(''), 2));
  for (let pad = 0xec; data.length < room; pad ^= 0xec ^ 0x11) data.push(pad);
  const count = BLOCKS[version - 1], short = Math.floor(room / count), long = room % count, blocks = [];
  for (let i = 0, at = 0; i < count; i++) {
    const length = short + (i >= count - long ? 1 : 0);
    blocks.push(data.slice(at, at += length));
  }
  const checks = blocks.map((block) => checksOf(block, CHECKS[version - 1]));
  const column = (lists, i) => lists.map((list) => list[i]).filter((one) => one !== undefined);
  return [...Array(short + 1).keys()].flatMap((i) => column(blocks, i)).concat([...Array(CHECKS[version - 1]).keys()].flatMap((i) => column(checks, i)));
}

/** The patterns that do not depend on the text; `null` where it goes. */
function patternsOf(version) {
  const size = sizeOf(version), grid = Array.from({ length: size }, () => new Array(size).fill(null));
  const set = (x, y, dark) => { if (grid[y]?.[x] !== undefined) grid[y][x] = dark; };
  const rings = (x, y, radius, isDark) => {
    for (let dy = -radius; dy <= radius; dy++) for (let dx = -radius; dx <= radius; dx++) set(x + dx, y + dy, isDark(Math.max(Math.abs(dx), Math.abs(dy))));
  };
  for (let i = 0; i < size; i++) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) rings(x, y, 4, (far) => far !== 2 && far !== 4);
  const count = alignmentsOf(version), step = count > 1 ? Math.ceil((size - 13) / (count * 2 - 2)) * 2 : 0;
  const places = [...Array(count).keys()].map((i) => (i === 0 ? 6 : size - 7 - (count - 1 - i) * step));
  for (const x of places) {
    for (const y of places) {
      const isCorner = (x === 6 && y === 6) || (x === 6 && y === size - 7) || (x === size - 7 && y === 6);
      if (!isCorner) rings(x, y, 2, (far) => far !== 1);
    }
  }
  format(set, size, 0);
  if (version < 7) return grid;
  let rest = version;
  for (let i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25);
  const bits = (version << 12) | rest;
  for (let i = 0; i < 18; i++) {
    const a = size - 11 + (i % 3), b = Math.floor(i / 3), dark = ((bits >>> i) & 1) === 1;
    set(a, b, dark);
    set(b, a, dark);
  }
  return grid;
}

/** The level and the mask, twice. */
function format(set, size, mask) {
  const data = (LEVEL << 3) | mask;
  let rest = data;
  for (let i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
  const bits = ((data << 10) | rest) ^ 0x5412, dark = (i) => ((bits >>> i) & 1) === 1;
  for (let i = 0; i < 6; i++) set(8, i, dark(i));
  set(8, 7, dark(6));
  set(8, 8, dark(7));
  set(7, 8, dark(8));
  for (let i = 9; i < 15; i++) set(14 - i, 8, dark(i));
  for (let i = 0; i < 8; i++) set(size - 1 - i, 8, dark(i));
  for (let i = 8; i < 15; i++) set(8, size - 15 + i, dark(i));
  set(8, size - 8, true);
}

const MASKS = [
  (x, y) => (x + y) % 2, (_x, y) => y % 2, (x) => x % 3, (x, y) => (x + y) % 3, (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3), (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2, (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

function masked(frame, codewords, mask) {
  const size = frame.length, grid = frame.map((row) => [...row]);
  let at = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const isUp = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step++) {
      const y = isUp ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (frame[y][x] !== null) continue;
        const bit = (codewords[at >>> 3] >>> (7 - (at & 7))) & 1;
        grid[y][x] = (bit === 1) !== (MASKS[mask](x, y) === 0);
        at++;
      }
    }
  }
  format((x, y, dark) => { grid[y][x] = dark; }, size, mask);
  return grid;
}

/** How much a reader could be misled by it. */
function penaltyOf(grid) {
  const size = grid.length, columns = grid[0].map((_, x) => grid.map((row) => row[x]));
  const lines = [...grid, ...columns].map((line) => line.map(Number).join(''));
  let penalty = 0;
  for (const line of lines) {
    for (const [run] of line.matchAll(/0{5,}|1{5,}/g)) penalty += run.length - 2;
    for (const pattern of ['10111010000', '00001011101']) for (let at = line.indexOf(pattern); at >= 0; at = line.indexOf(pattern, at + 1)) penalty += 40;
  }
  for (let y = 1; y < size; y++) {
    for (let x = 1; x < size; x++) if (grid[y][x] === grid[y - 1][x] && grid[y][x] === grid[y][x - 1] && grid[y][x] === grid[y - 1][x - 1]) penalty += 3;
  }
  const dark = grid.flat().filter(Boolean).length;
  return penalty + 10 * Math.floor(Math.abs(dark * 20 - size * size * 10) / (size * size));
}

/** The modules of the code in rows, true where it is dark; null for what is too long. */
export function modulesOf(text) {
  const bytes = new TextEncoder().encode(text);
  const version = CHECKS.findIndex((_, i) => bytes.length + (i + 1 < 10 ? 2 : 3) <= dataRoomOf(i + 1)) + 1;
  if (version === 0) return null;
  const codewords = codewordsOf(bytes, version), frame = patternsOf(version);
  const grids = MASKS.map((_, mask) => masked(frame, codewords, mask)), penalties = grids.map(penaltyOf);
  return grids[penalties.indexOf(Math.min(...penalties))];
}

/** As a picture, with the quiet zone around it. Dark on light in both themes: not every reader takes the other. */
export function pictureOf(text, label) {
  const grid = modulesOf(text);
  if (!grid) return null;
  const make = (tag, attributes) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const size = grid.length + 8;
  const path = grid.map((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : '')).join('')).join('');
  const svg = make('svg', { viewBox: `0 0 ${size} ${size}`, class: 'qr', role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' });
  svg.append(make('rect', { width: size, height: size, fill: '#fff' }), make('path', { d: path, fill: '#000' }));
  return svg;
}
