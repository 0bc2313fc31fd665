// Browsers do not tell a page why its WebSocket was refused, so the page asks.

import { isText } from '../core/text.js';
import { ready, t } from '../words/index.js';

const ADMISSION_MS = 10_000;

/** What the server says to who would open a WebSocket: 'admitted', a key of `refusals` among the words, or '' for no answer. */
export async function askAdmission() {
  const url = new URL('admission', location.href);
  url.search = `?origin=${encodeURIComponent(location.origin)}`;
  let answer, text, json = null;
  await ready;
  try {
    answer = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(ADMISSION_MS) });
    text = await answer.text();
  } catch {
    return '';
  }
  try { json = JSON.parse(text); } catch { /* not from what answers such questions */ }
  if (answer.ok) return json?.admitted === true ? 'admitted' : '';
  if (json?.admitted === false || isText(json?.reason)) return Object.hasOwn(t.refusals, json.reason) ? json.reason : '';
  // Refused at the door, before anything was read: the server does that in plain text, proxies speak HTML.
  const isPlain = /^text\/plain\b/i.test(answer.headers.get('content-type') ?? '');
  return isPlain && { 403: /\bbanned\b/.test(text) ? 'banned' : '', 429: 'crowded', 503: /\bstopping\b/.test(text) ? 'stopping' : 'full' }[answer.status] || '';
}
