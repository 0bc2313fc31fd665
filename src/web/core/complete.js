// Completing what is being written: names, rooms, commands, emoji.

import { fold } from './names.js';

/** By what people call them most often; no list of all there are. */
const EMOJI = {
  '+1': '👍', '-1': '👎', angry: '😠', beer: '🍺', blush: '😊', bug: '🐛', cake: '🎂', cat: '🐱', clap: '👏', coffee: '☕', confused: '😕', cool: '😎',
  cry: '😢', dog: '🐶', eyes: '👀', fire: '🔥', fireworks: '🎆', ghost: '👻', gift: '🎁', grin: '😁', heart: '❤️', hug: '🤗', joy: '😂', key: '🔑',
  kiss: '😘', laughing: '😆', light: '💡', lock: '🔒', love: '😍', moon: '🌙', muscle: '💪', ok: '👌', party: '🥳', pizza: '🍕', pray: '🙏', question: '❓',
  rain: '🌧️', raised: '🙌', rocket: '🚀', rose: '🌹', sad: '🙁', scream: '😱', shrug: '🤷', skull: '💀', sleep: '😴', smile: '😄', smirk: '😏', snow: '❄️',
  sob: '😭', sparkles: '✨', star: '⭐', sun: '☀️', sweat: '😅', tada: '🎉', tea: '🍵', think: '🤔', tongue: '😛', upside: '🙃', warning: '⚠️', wave: '👋',
  wink: '😉', wrong: '❌', check: '✅', yum: '😋', zap: '⚡',
};

const startsWith = (whole, part) => fold(whole).startsWith(fold(part));

/**
 * What the word before the caret can become, best first: { from, list }, where an entry replaces all from `from` to the caret.
 * Null where nothing fits.
 *
 * @param {string} text
 * @param {number} caret
 * @param {{ names: string[], rooms: string[], commands: string[] }} known
 */
export function completionsOf(text, caret, { names, rooms, commands }) {
  const [word] = /\S*$/.exec(text.slice(0, caret)) ?? [''], from = caret - word.length, isFirst = text.slice(0, from).trim() === '';
  const fit = (list, part, become) => list.filter((one) => startsWith(one, part)).map(become);
  let list = [];
  if (/^[/／]/.test(word) && isFirst) list = fit(commands, word.slice(1), (name) => `/${name} `);
  else if (/^[#＃﹟]/.test(word)) list = fit(rooms, `#${word.slice(1)}`, (room) => `${room} `);
  else if (/^[@＠﹫]/.test(word)) list = fit(names, word.slice(1), (name) => `@${name} `);
  else if (/^:[^:\s]{2,}:?$/.test(word)) list = fit(Object.keys(EMOJI), word.replaceAll(':', ''), (name) => `${EMOJI[name]} `);
  else if (word) list = fit(names, word, (name) => (isFirst ? `${name}: ` : `${name} `));
  return list.length ? { from, list } : null;
}

/** The commands whose names begin with what was typed, the one of just this name first; then those that have it elsewhere. */
export function commandsLike(typed, commands) {
  const part = typed.toLowerCase();
  const rank = ({ name }) => (name === part ? 0 : name.startsWith(part) ? 1 : name.includes(part) ? 2 : 3);
  return commands.filter((one) => rank(one) < 3).sort((a, b) => rank(a) - rank(b));
}
